"""What is a telephone number, and what only looks like one."""

from __future__ import annotations

import time

import pytest

from assay.agents.telephones import detect_phone

NUMBERS = [
    "+49 30 123456",
    "+49 (0) 30 / 123 45 67",
    "+49(0)30-1234567",
    "+493012345678",
    "+1 415 555 2671",
    "+1-415-555-2671",
    "+1 (415) 555-2671",
    "+14155552671",
    "+44 20 7946 0958",
    "+33 1 23 45 67 89",
    "+39 06 1234 5678",
    "+298 123456",
    "+91 98765 43210",
    "+86 138 1234 5678",
    "+55 11 91234-5678",
    "+61 4 1234 5678",
    "0049 30 1234567",
    "00 44 20 7946 0958",
    "+49\u00a030\u00a01234567",
    "+49 30 1234\u20115678",
    "+1 415 555 2671 ext. 12",
    "030 1234567",
    "030/1234567",
    "030 / 123 45 67",
    "(030) 123 45 67",
    "0171-1234567",
    "0171 123 45 67",
    "01711234567",
    "0612345678",
    "01 23 45 67 89",
    "01.12.45.67.89",
    "06-12-34-56-78",
    "020 7946 0958",
    "07700 900123",
    "079 123 45 67",
    "0412 345 678",
    "03-1234-5678",
    "090-1234-5678",
    "(415) 555-2671",
    "(415)555-2671",
    "415-555-2671",
    "415.555.2671",
    "415 555 2671",
    "1-800-555-0199",
    "415-555-2671 x204",
    "(11) 91234-5678",
    "138 1234 5678",
    "138-1234-5678",
    "612 34 56 78",
]

OTHERS = [
    "2026-11-21",
    "21.11.2026",
    "01.02.2026",
    "01/02/2026 10:30",
    "01.02.2026 10",
    "01-02-2026 - 03-02-2026",
    "08 05 2026 1200",
    "2026-11-21T09:30:00.000000Z",
    "09:30:15.123456",
    "10.0.0.7",
    "192.168.100.200",
    "010.001.002.003",
    "1.2.3.4:8080",
    "version 0.12.3",
    "1732181376",
    "1732181376929364",
    "12345678",
    "4155552671",
    "4111 1111 1111 1111",
    "0123 4567 8901 2345",
    "DE89 3704 0044 0532 0130 00",
    "978-0-306-40615-7",
    "ISBN 0306406157",
    "036000291452",
    "123-45-6789",
    "0190b6c1-8f3e-7c4a-9d21-6f1b2c3d4e5f",
    "01234567-8901-4345-8901-234567890123",
    "ABC-0123-456789",
    "#0123456789",
    "order 0123-456789",
    "Invoice no-0123 456789",
    "/v1/files/0171-1234567",
    "1,234,567.89",
    "1 234 567,89 EUR",
    "612 345 678",
    "+1234567.89",
    "+123456789 EUR",
    "+5 %",
    "+12 345",
    "300 400 5000 USD",
    "0.0123456789",
    "-0.1234567890",
    "52.520008, 13.404954",
    "12(3) 345-678",
    "12 (2020) 1234-1250",
    "3.14159265358979",
    "0x0123456789",
    "sha 0123456789abcdef",
    "lines 100 to 200 of 3000",
    "1 + 1234 = 1235",
    "a1b2 0000 0000 00",
]

SENTENCES = [
    ("Call 555 0199 now", "Call [] now"),
    ("Tel.: 12 34 56 78, or mail", "Tel.: [], or mail"),
    ("my phone number is 601 234 567.", "my phone number is []."),
    ("Fax:12345678", "Fax:[]"),
    ("Telefon 98765 43210", "Telefon []"),
    ("tel:+493012345678;x", "tel:[];x"),
    ("From +49 30 1234567, or 0171/1234567.", "From [], or []."),
    ("(+49 30 1234567)", "([])"),
    ("030 1234567\n040 7654321", "[]\n[]"),
    ("030 1234567  040 7654321", "[]  []"),
    ("+49 30 1234567 +49 40 7654321", "[] []"),
    ("phone=01711234567&x=1", "phone=[]&x=1"),
    ("Call on 2026-11-21", "Call on 2026-11-21"),
    ("We ring 21.11.2026 12:00", "We ring 21.11.2026 12:00"),
    ("call 10.0.0.10 again", "call 10.0.0.10 again"),
    ("recall 12345678 rows", "recall 12345678 rows"),
    ("Ring +49 30 1234567 - 2026-11-21 10:30", None),
]


def without(text: str) -> str:
    for match in reversed(detect_phone(text)):
        assert text[match["start"] : match["end"]] == match["value"]
        text = f"{text[: match['start']]}[]{text[match['end'] :]}"
    return text


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_found_whole_wherever_it_stands(number: str) -> None:
    for before, after in (
        ("", ""),
        ("You reach me: ", ", please"),
        ("(", ")"),
        ("«", "»."),
        ("\n", "\n"),
    ):
        assert without(f"{before}{number}{after}") == f"{before}[]{after}"


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_none_stays(other: str) -> None:
    for text in (other, f"it is {other}, so", f"\t{other}\n"):
        assert without(text) == text


@pytest.mark.parametrize(("text", "told"), SENTENCES)
def test_in_a_sentence(text: str, told: str | None) -> None:
    if told is None:
        assert "1234567" not in without(text)
    else:
        assert without(text) == told


LONG = ["0" * 50_000, "+1 " * 20_000, "(0" * 25_000, "01 " * 20_000, "tel " * 15_000]


@pytest.mark.parametrize("text", [*LONG, "+" + "1-" * 30_000, "call is " * 9_000], ids=len)
def test_a_long_text_takes_no_long_time(text: str) -> None:
    began = time.process_time()
    detect_phone(text)
    assert time.process_time() - began < 5
