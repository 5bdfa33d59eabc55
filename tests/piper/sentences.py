"""Sentences for Piper's phonemes, by the names that espeak-ng has for their languages."""

from __future__ import annotations

SENTENCES = {
    "en-us": (
        "The weather is quite lovely, isn't it?",
        "I don't know what to do with the rest of them.",
        "He went out of the house; nobody saw him!",
        "There are three things: bread, butter and jam.",
        "Well, as it is, we would have to wait for an hour.",
        "A friend of a friend of mine has been there at once.",
        "That one is on the table, and this one in the box.",
        "Why not? Because it does not matter",
        "She said she'd be there by ten o'clock, give or take.",
        "NASA and the BBC agreed on it, but the GIL stayed.",
        "Two hundred and forty-five people came to the well-known place.",
        "Yes - no - maybe.",
        "Yes — no — maybe.",
        "(In brackets,) and \"in quotes\", too.",
        "Is it? Is it not?!",
    ),
    "en-gb-x-rp": (
        "The tower of the old castle is far away.",
        "Ask her for a cup of tea, or for an orange.",
        "It was one of the worst, but it was not the last.",
        "What a lovely garden; have you been to the other one?",
        "Larger areas are rarer.",
    ),
    "de": (
        "Der Hund läuft schnell durch den Garten, und die Katze schläft.",
        "Wir haben heute viel zu tun: kochen, putzen und einkaufen.",
        "Ist das dein Ernst? Das glaube ich nicht!",
        "Der Computer ist in dem Haus, das ist cool.",
        "Fünfundzwanzig Bücher liegen auf dem Tisch; keines ist meins.",
        "Am Abend gehen wir in die Oper",
    ),
    "fr": (
        "Les amis de l'homme sont arrivés, qu'est-ce que c'est ?",
        "Il y a un an, nous avons acheté une maison.",
        "Je ne sais pas : peut-être demain, peut-être jamais.",
        "Où vas-tu ? À la gare !",
        "Les enfants ont mangé des pommes et des oranges.",
    ),
    "es": (
        "El perro y el gato duermen en la casa.",
        "¿Dónde está la estación? No lo sé.",
        "¡Qué bonito día, vamos a la playa!",
        "Tengo dos hermanos: uno es alto; el otro, bajo.",
        "A las ocho o a las nueve llegará el tren",
    ),
    "it": (
        "La casa è bella, ma è troppo cara.",
        "Che ore sono? Sono le tre e mezzo.",
        "Non ho visto né lui né lei.",
    ),
    "pt-br": (
        "O menino foi à escola de manhã, e a menina também.",
        "Você é daqui? Não, sou de longe.",
        "É um dia bonito; vamos à praia!",
    ),
    "pl": (
        "W domu nie ma nikogo, a z okna widać las.",
        "Czy to prawda? Tak, to prawda!",
        "Szczebrzeszyn słynie z chrząszcza w trzcinie.",
    ),
    "cs": (
        "Na vodních plochách v lese je klid, pod mostem teče řeka.",
        "Kde je nádraží? Je to za domem.",
        "Pes a kočka spí na okraji cesty.",
    ),
    "ru": (
        "Мама мыла раму, а папа читал газету.",
        "В доме никого нет, к вечеру он придёт с другом.",
        "Что это? Это письмо из Москвы!",
    ),
    "nl": (
        "De fiets staat in het huis, en dat is niet erg.",
        "Waar ga je heen? Naar de winkel.",
    ),
    "sv": ("Hunden är i huset, och katten är på taket.", "Vad gör du i dag?"),
    "fi": ("Talo on järven rannalla, ja vene on laiturissa.", "Mitä sinä teet? En mitään."),
    "hu": ("A kutya a házban van, és az ablak nyitva.", "Hol van az állomás? Nem tudom."),
    "tr": ("Bugün hava çok güzel, parka gidelim mi?", "Ben ve arkadaşım evdeyiz."),
    "vi": ("Hôm nay trời đẹp quá, chúng ta đi chơi nhé?", "Anh ấy ở nhà."),
    "el": ("Ο σκύλος και η γάτα κοιμούνται στο σπίτι.", "Πού είναι ο σταθμός;"),
    "ar": ("مرحبا، كيف حالك اليوم؟", "ذهب الولد إلى المدرسة."),
    "fa": ("سلام، حال شما چطور است؟",),
    "hi": ("आप कैसे हैं? मैं ठीक हूँ.", "यह किताब बहुत अच्छी है, और सस्ती भी."),
    "cmn": ("今天天气很好，我们去公园。", "你叫什么名字？", "我喜欢 Python 和音乐。"),
}  # fmt: skip
"""A few are of all kinds of marks, and some of words that espeak-ng says in one."""

AS_TRAINED = (
    (
        "en-gb-x-rp",
        "Shaw, those twelve beige hooks are joined if I patch a young, gooey mouth.",
        "ʃˈɔː, ðəʊz twˈɛlv bˈeɪʒ hˈʊks ɑː dʒˈɔɪnd ɪf aɪ pˈætʃ ɐ jˈʌŋ, ɡˈuːɪ mˈaʊθ.",
    ),
    (
        "en-gb-x-rp",
        "Are those shy Eurasian footwear, cowboy chaps, or jolly earthmoving headgear?",
        "ɑː ðəʊz ʃˈaɪ juːɹˈeɪziən fˈʊtweə, kˈaʊbɔɪ tʃˈæps, ɔː dʒˈɒlɪ ˈɜːθmuːvɪŋ hˈɛdɡiə?",
    ),
    (
        "fr",
        "Buvez de ce whisky que le patron juge fameux.",
        "byvˈe də- sə- wˈɪski kə lə- patʁˈɔ̃ ʒˈyʒ famˈø.",
    ),
    (
        "pl",
        "Jeżu klątw, spłódź Finom część gry hańb.",
        "jˈɛʒu klˈɔntf, spwˈutɕ fˈinɔm tʃˈɛɲʑdʑ ɡrˈɨ xˈaɲp.",
    ),
    (
        "pl",
        "Mężny bądź, chroń pułk twój i sześć flag.",
        "mˈɛ̃ʒnɨ bˈɔɲtɕ, xrˈɔɲ pˈuwk tfˈuj i ʃˈɛɕtɕ flˈak.",
    ),
    (
        "ru",
        "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства.",
        (
            "ʃyrˈokʌja ɛɭʲiktrʲifʲikˈɑtsyja ˈjuʒnyx ɡubʲˈernʲij dˈɑst mˈoɕnyj "
            "tʌɭtʃʲˈok pʌdjˈɵmu sʲˈeɭskʌvʌ xʌʑˈɑjstva."
        ),
    ),
    (
        "hu",
        "Jó foxim és don Quijote húszwattos lámpánál ülve egy pár bűvös cipőt készít.",
        (
            "jˈoː fˈoksim ˌeːʃ dˈon kvˈijotɛ hˈuːsvɑtːoʃ lˈaːmpaːnaːl ˈylvɛ ˈɛɟ "
            "pˈaːr bˈyːvøʃ tsˈipøːt kˌeːsiːt."
        ),
    ),
    (
        "lb",
        "Schwätz du Lëtzebuergesch?",
        "ʃvˈetʦ dˈuː lˌəʦəbˈuːʁjəʃ?",
    ),
    (
        "lb",
        "E gudde Rutsch an d'neit Joer.",
        "ˈə gˈudə ʀˈutʃ ˈɑn dnˈɑɪt jˈoːʁ.",
    ),
    (
        "nb",
        "Vår sære Zulu fra badeøya spilte jo whist og quickstep i min taxi.",
        "voːr sˈaːra sˈʉːlʉː frɑ bˈadeːˌøyɑ spˈɪlta jˈuː vhˈɪst uːɡ kwˈɪkkstəp iː miːn tˈaksiː.",
    ),
)
"""What training made of sentences, from ``etc/test_sentences`` of rhasspy/piper (MIT)."""
