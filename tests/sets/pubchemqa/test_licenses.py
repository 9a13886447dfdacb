import pytest

from biomedgpt_hf.sets.pubchemqa.licenses import license_of

CC = "https://creativecommons.org/licenses"


@pytest.mark.parametrize(
    ("note", "url", "license"),
    [
        ("", f"{CC}/by/4.0/", "CC-BY-4.0"),
        ("", f"{CC.replace('https', 'http')}/by-nc-nd/4.0/legalcode", "CC-BY-NC-ND-4.0"),
        ("", f"{CC}/by-nc-sa/3.0/igo/", "CC-BY-NC-SA-3.0-IGO"),
        ("", "https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("", "https://opendatacommons.org/licenses/odbl/1-0/", "ODbL-1.0"),
        ("", "https://opendatacommons.org/licenses/by/1-0/", "ODC-By-1.0"),
        ("Creative Commons CC BY 4.0", "https://example.org/copyright", "CC-BY-4.0"),
        ("The content is licensed under CC BY 4.0.", "", "CC-BY-4.0"),
        ("provided under a CC-BY-NC 4.0 license, unless otherwise stated", "", "CC-BY-NC-4.0"),
        (f"Creative Common's Attribution-NonCommercial 4.0 International License ({CC}/by-nc/4.0/legalcode)", "",
         "CC-BY-NC-4.0"),
        ("the Creative Commons Attribution-Share Alike 3.0 Unported License", "http://example.org", "CC-BY-SA-3.0"),
        ("issued under Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Intergovernmental Organization "
         "(CC BY-NC-SA 3.0 IGO)", "https://example.org", "CC-BY-NC-SA-3.0-IGO"),
        ("CCZero", "", "CC0-1.0"),
        ("Data: CC-BY 4.0; Code: Artistic-2.0", f"{CC}/by/4.0/", "CC-BY-4.0"),
    ],
)  # fmt: skip
def test_a_known_licence_has_its_spdx_identifier(note, url, license):
    assert license_of(note, url) == license


@pytest.mark.parametrize(
    ("note", "url", "license"),
    [
        (
            "The code is released under the GNU General Public License v3.0.",
            "https://example.org/",
            "https://example.org/",
        ),
        ("Free of charge.\n\tAsk before use. ", "", "Free of charge. Ask before use."),
        ("", "", "unknown"),
        (" ", " \n", "unknown"),
        ("Texts are CC BY 4.0, images CC BY-NC 4.0.", "https://example.org/terms", "https://example.org/terms"),
        ("", f"{CC}/by/3.0/us/", f"{CC}/by/3.0/us/"),
        ("provided by 4.0 users", "", "provided by 4.0 users"),
    ],
)
def test_any_other_licence_is_called_by_its_address_or_else_its_note(note, url, license):
    assert license_of(note, url) == license
