"""Languages beside English, and English beside America's."""

from __future__ import annotations

import pytest

from stages.text.normalise import LetterStyle, normalise

SAID = {
    "en-gb": {
        "It was 5/6/2020.": "It was June fifth, twenty twenty.",
        "Due on 3/4.": "Due on April third.",
    },
    "de": {
        "Das kostet 3,50 € und wiegt 2 kg.": "Das kostet drei Euro fünfzig Cent und wiegt zwei"
        " Kilogramm.",
        "Am 15.03.2024 um 18:20 Uhr.": "Am fünfzehnten März zweitausendvierundzwanzig um achtzehn"
        " Uhr zwanzig.",
        "Das ist z. B. gut!": "Das ist zum Beispiel gut!",
        "5,3 Mio. € Umsatz": "fünf Komma drei Millionen Euro Umsatz",
        "Wilhelm II. regierte.": "Wilhelm der Zweite regierte.",
        "Die Zeit von Wilhelm II. war um.": "Die Zeit von Wilhelm dem Zweiten war um.",
        "Wilhelms II. Zeit": "Wilhelms des Zweiten Zeit",
        "Kapitel IV, § 5 Abs. 2": "Kapitel vier, Paragraf fünf Absatz zwei",
        "5–10 Personen": "fünf bis zehn Personen",
        "1990er Jahre": "neunzehnhundertneunziger Jahre",
        "1½ Stunden": "eineinhalb Stunden",
        "Die EU und 16 GB RAM": "Die E-U und sechzehn Gigabyte RAM",
        "Siehe www.beispiel.de.": "Siehe W-W-W Punkt beispiel Punkt de.",
        "５ Uhr": "fünf Uhr",
        "J. S. Bach, o. Ä.": "J. S. Bach, oder Ähnliches.",
        "Ein \\frac² bleibt.": "Ein \\frac zum Quadrat bleibt.",
    },
    "es": {
        "Cuesta 3,50 € y pesa 2 kg.": "Cuesta 3 euros con 50 céntimos y pesa 2 kilogramos.",
        "El 15/03/2024 subió un 5 %.": "El 15 de marzo de 2024 subió un 5 por ciento.",
        "Hace -5 °C.": "Hace menos 5 grados Celsius.",
        "La Sra. López, p. ej., etc.": "La señora López, por ejemplo, etcétera.",
        "Son $5,3 millones.": "Son 5,3 millones de dólares.",
        "El 2.º intento, la 3ª vez": "El segundo intento, la tercera vez",
        "½ litro, nº 5": "medio litro, número 5",
        "de 5–10 personas": "de 5 a 10 personas",
        "2 + 3 = 5": "2 más 3 es igual a 5",
        "El siglo XXI": "El siglo XXI",  # espeak-ng knows these
        "Sto. Tomás, s. XX, p. 5": "santo Tomás, siglo XX, página 5",
    },
    "fr-fr": {
        "M. Dupont est là!": "monsieur Dupont est là!",
        "Mme. Dupont et J. Martin": "madame Dupont et J. Martin",
        "Ça coûte 3,50 € à 18h20.": "Ça coûte 3 euros 50 à 18 heures 20.",
        "Louis XIV et le XXIe siècle": "Louis 14 et le vingt-et-unième siècle",
        "François Ier, le 01/05/2024": "François premier, le premier mai 2024",
        "5,3 millions €": "5,3 millions d'euros",
        "n° 5, p. 12, 1 234 567": "numéro 5, page 12, 1234567",
    },
    "it": {
        "Costa 3,50 € e pesa 1 kg.": "Costa 3 euro e 50 centesimi e pesa 1 chilogrammo.",
        "Il 1° maggio, la 2ª volta": "Il primo maggio, la seconda volta",
        "Il sig. Rossi, S. Pietro, Ca. 5": "Il signor Rossi, San Pietro, circa 5",
    },
    "pt-br": {
        "Custa R$ 3,50 às 18:20.": "Custa 3 reais e 50 centavos às 18 horas e 20.",
        "Em 15/03/2024, 5% a mais": "Em 15 de março de 2024, 5 por cento a mais",
    },
    "cmn": {
        "2024年3月15日": "二零二四年3月15日",
        "价格是$3.50，增长5%。": "价格是3.50美元，增长百分之5。",
        "5km和-5°C": "5公里和负5摄氏度",
        "３人！": "3人！",
        "12:30开始，3-5个": "12点30分开始，3到5个",
    },
    "ja": {
        "5kmと20%です。": "5キロメートルと20パーセントです。",
        "12:30、¥500": "12時30分、500円",
        "色は#FF5733です。": "色は#FF5733です。",
        "色は #FF5733 です。": "色は シャープ F F 5 7 3 3 です。",
    },
    "pl": {"Pokój ３, 1 000 000!": "Pokój 3, 1000000!"},
    "hi": {"१२३": "123"},
}


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [(language, *texts) for language, table in SAID.items() for texts in table.items()],
)
def test_a_language_says_its_numbers_its_own_way(language: str, written: str, said: str) -> None:
    assert normalise(written, language, letters=LetterStyle.HYPHENED).text == said
