"""Words that carry a full stop without ending a sentence, and the like. Data only.

An entry in small letters stands for every spelling (``etc``, ``Etc``, ``ETC``); one with a
capital only for that spelling and all capitals (``Sat``, ``SAT``), because in small letters
it is an ordinary word. Entries come without their last stop.

English is thorough; German, French and Spanish have what is common in running text. A word
that often ends a sentence (``is``, ``may``, ``in``, ``Act``) has no place here, whatever it
is short for: knowing it would cost a second of silence each time.
"""

from __future__ import annotations


def _words(*groups: str) -> frozenset[str]:
    return frozenset(" ".join(groups).split())


TITLES = _words(
    """
    Mr Mrs Ms Mx Dr Drs Prof Messrs Mme Mlle Gen Adm Amb Atty Brig Capt Cmdr Col Cpl Det Fr Gov
    Hon Insp Lt Maj Msgr Pres Pvt Rep Reps Rev Sen Sens Sgt Supt
    """
)
"""What a name follows."""

MONTHS = _words(
    """
    Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember
    """
)
"""What follows a German day: 3. Mai."""

LEADS_ON = TITLES | _words(
    "mr mrs mx dr drs prof messrs mme mlle Mt Ft",
    # What they introduce follows.
    """
    e.g i.e vs cf viz approx ca esp incl excl resp
    """,
    # German, French, Spanish.
    """
    bzw bzgl d.h evtl Frl geb ggf Hr Hrn inkl sog u.a vgl z.b z.t zzgl
    p.ex Av env Mgr MM Pr
    dra p.ej Gral Sto Sta EE
    """,
    # Italian, Portuguese.
    """
    sig sig.ra sig.na dott dott.ssa prof.ssa avv ing profa aprox
    """,
)
"""Always followed by what they belong to: no boundary, whatever comes."""

COUNTS = _words(
    """
    Art ch chap ed eds eq eqs Ex fig figs vol vols p pg pgs pp par para pt pts Sec secs
    sect thm Abb Abs bd Kap nr nrn núm pág págs pag pagg cap séc
    """,
)
"""Followed by a number, which may be a letter or Roman; else the sentence is over."""

COUNTS_OR_WORD = _words("no nos n° nº № max min art op suppl tel tél ver")
"""The same, but words of their own ("The answer is no. I asked."): only digits count."""

MAY_END = _words(
    # People and firms.
    """
    jr sr esq inc ltd co corp bros cie gmbh llc llp plc pty assn assoc univ dept al
    """,
    # Places.
    """
    st ste ave blvd rd ln hwy pkwy Bldg Apt Ala Ariz Calif Colo Conn Fla Ill Mass Mich Minn Mont
    Okla Ont Penn Tenn Tex Wis
    """,
    # Times.
    """
    Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun
    """,
    # Measures.
    """
    ft hr hrs lb lbs mins oz secs sq tbsp tsp mph
    """,
    # Degrees and the rest.
    """
    ph.d etc est ext misc ibid temp avg dept govt
    usw usf Mio Mrd Std Str Chr
    ud uds Sra Srta Avda UU Dña
    """,
)
"""Within a sentence or at its end: the next word decides. So do single letters (J. Smith; you
and I.) and initialisms (U.S., a.m.), which need no list."""

STARTERS = _words(
    """
    A After Also Although An And Another Any Are As At Because Before Both But By Can Could Did Do
    Does Each Even Every Everyone Finally For From Had Has Have He Hello Her Here Hi His How
    However I If In Instead Is It Its Let Like Many Maybe Meanwhile Most My Next Nobody Not Nothing
    Now Oh Okay On Once Only Or Our People Perhaps Please Put Really She Should Since So Some
    Soon Still Sure Take Tell Thank Thanks That The Their Then There Therefore These They This
    Those Though Thus To Today Tomorrow Try Two Unfortunately Until We Well Were What When Where
    Whether Which While Who Whose Why With Would Yes Yesterday Yet You Your
    Don't Didn't Doesn't Can't Couldn't Isn't Aren't Wasn't Won't Wouldn't
    I'd I'll I'm I've It's He's She's That's There's They're We're We've What's Who's You're Let's
    """,
    # German, French, Spanish.
    """
    Aber Auch Bei Da Danach Das Dann Dein Der Deshalb Die Dies Diese Dieser Doch Ein Eine Er Es
    Hier Ich Ihr Im Ist Jetzt Kein Mein Mit Nach Nicht Sie Sind Und Vielleicht War Warum Was Wenn
    Wer Wie Wir Wo Zum
    Alors Après Aussi Avec Ces Cet Cette Dans Elle Elles Il Ils Je Mais Nous Où Pour Pourquoi Puis
    Quand Qui Vous
    Así Aunque Cómo Cuando Cuándo Después Él Ella Ellos Esta Este Esto Más Nosotros Para Pero
    Por Qué Quién También Usted
    """,
)
"""Words that, with a capital after a stop, have begun a sentence rather than gone on with a name.
What also begins names (De, La, Van) is left out."""

ENDINGS_OF_NAMES = _words(
    """
    com org net edu gov io ai dev app info txt md pdf js ts jsx tsx py rs go cpp html css json yaml
    yml toml xml csv exe zip png jpg
    """,
)
"""After a stop without a space: README.Md, Example.Com; not a new sentence."""
