"""Captions become one clean line; what is no caption is refused with its reason."""

import pytest

from hspcgan.pipeline.stages.caption_text import clean_caption


@pytest.mark.parametrize(("given", "kept"), [
    ("a bird", "a bird"),
    ("  A  Bird\n on\ta\x00branch\x9f ", "A Bird on a branch"),
    (b"\xef\xbb\xbfein V\xc3\xb6gelchen", "ein Vögelchen"),
    ("鳥", "鳥"),
    ("cafe\u0301", "caf\u00e9"),  # decomposed and composed are one text
    ("this bird is white\ufffd\ufffdit flies", "this bird is white it flies"),  # as in CUB's captions
    ("a 🐦 on a 👩\u200d🌾's hat", "a 🐦 on a 👩\u200d🌾's hat"),
    ("طائر أحمر على غصن", "طائر أحمر على غصن"),
    ("می\u200cروم", "می\u200cروم"),
    ("a \u202edrib\u202c bird\u2066s\u2069 soft\u00adly\u200b", "a drib birds softly"),
    ("<p class='x'>a <b>red</b> bird<br/>sings</p><!-- or not -->", "a red bird sings"),
    ("black &amp; white, caf&eacute; &#128038; &lt;tag&gt;", "black & white, café 🐦 <tag>"),
    ("a bell&#0;bird&#x7;s &#xD800; song", "a bell birds song"),
    ("&notanentity; &AMPLE; &Not; R&not;", "&notanentity; &AMPLE; ⫬ R¬"),
    ("I <3 birds & 2 < 3 > 1, AT&T; R&not", "I <3 birds & 2 < 3 > 1, AT&T; R&not"),
    ("<PERSON> rides a horse, <PERSON>'s<br>own", "person rides a horse, person's own"),  # as in Conceptual 12M
    ("a photo of<PERSON><PERSON> <P>", "a photo of person person"),
    ("word " * 1000, ("word " * 1000).strip()),
    ("😀 5", "😀 5"),
])  # fmt: skip
def test_captions_are_cleaned(given, kept):
    assert clean_caption(given) == kept


@pytest.mark.parametrize(("given", "reason"), [
    ("", "^empty"),
    (" \n\t ", "^empty"),
    ("\x00\x07", "only control characters"),
    ("<br><img src=x onerror=alert(1)>", "only control characters or markup"),
    ("\u202e\u200b", "only control characters"),
    ("... !?", "no letter or digit"),
    ("😀😀", "no letter or digit"),
    (b"caf\xe9", "not UTF-8: (invalid continuation byte|unexpected end of data) at byte 3"),
    (b"\xc0\xaf", "not UTF-8: invalid start byte at byte 0"),
    ("\ud800", "lone surrogate"),
    ("bird " * 10_000, "10,000 words, 49,999 characters; a caption may have up to 1,000 words"),
    ("a" * 10_001, "^1 word, 10,001 characters"),
    ("<!--" * 500_000 + "a", "2,000,001 characters"),
    ("<a " * 500_000, "1,500,000 characters"),
    (3.5, "not a string: '3.5'"),
    (None, "not a string: 'None'"),
])  # fmt: skip
def test_useless_captions_are_refused_with_the_reason(given, reason):
    with pytest.raises(ValueError, match=reason):
        clean_caption(given)
