"""One made-up entry written in UniProtKB's four formats, by the rules of each."""

import json
from datetime import date
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"
LICENCE = """\
CC   ---------------------------------------------------------------------------
CC   Copyrighted by the UniProt Consortium, see https://www.uniprot.org/terms
CC   Distributed under the Creative Commons Attribution (CC BY 4.0) License
CC   ---------------------------------------------------------------------------
"""


class Name(NamedTuple):
    full: str
    short: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


class Comment(NamedTuple):
    """Texts without their full stops; `places` are (location, topology, orientation), "" where missing."""

    texts: tuple[str, ...] = ()
    molecule: str = ""
    places: tuple[tuple[str, str, str], ...] = ()


class Facts(NamedTuple):
    accession: str = "P12345"
    reviewed: bool = True
    sequence: str = SEQUENCE
    recommended: Name | None = Name("Test protein")
    alternative: tuple[Name, ...] = ()
    submitted: tuple[Name, ...] = ()
    allergen: str = ""
    cd_antigens: tuple[str, ...] = ()
    inns: tuple[str, ...] = ()
    chains: tuple[Name, ...] = ()
    functions: tuple[Comment, ...] = ()
    locations: tuple[Comment, ...] = ()
    similarities: tuple[Comment, ...] = ()
    created: date = date(2000, 1, 1)


def stopped(text):
    return text if text.endswith(".") else f"{text}."


def comment_text(comment, is_location):
    """A comment as the flat file and the table word it, each fact with its evidence."""
    tag = " {ECO:0000269|PubMed:12345678, ECO:0000255|HAMAP-Rule:MF_00051}"
    texts = " ".join(stopped(text) + tag + "." for text in comment.texts)
    places = ". ".join("; ".join(part + tag for part in place if part) for place in comment.places)
    if is_location:
        texts = " ".join(filter(None, [places and f"{places}.", texts and f"Note={texts}"]))
    return f"[{comment.molecule}]: {texts}" if comment.molecule else texts


def wrap(text, first, other, width=80):
    """Break lines after a space or hyphen as UniProtKB does: never at "- " or "->"."""
    lines, line = [], first
    start = last = 0
    for position, letter in enumerate(text):
        after = text[position + 1 : position + 2]
        breaks = (letter == " " and text[position - 1 : position] != "-") or (letter == "-" and after not in " >")
        if len(line) + len(text[start:position].rstrip()) >= width and last > start:
            lines.append(line + text[start:last].rstrip())
            line, start = other, last
        if breaks:
            last = position + 1
    return "\n".join([*lines, line + text[start:]])


def flat(facts):
    status = "Reviewed" if facts.reviewed else "Unreviewed"
    description = []

    def add(kind, name):
        keys = [("Full", name.full), *(("Short", x) for x in name.short), *(("EC", x) for x in name.numbers)]
        for position, (key, value) in enumerate(keys):
            before = f"{kind}: " if position == 0 else " " * (len(kind) + 2)
            description.append(f"DE   {before}{key}={value} {{ECO:0000303|PubMed:1}};")

    if facts.recommended:
        add("RecName", facts.recommended)
    for name in facts.alternative:
        add("AltName", name)
    special = [("Allergen", facts.allergen)] if facts.allergen else []
    special += [("CD_antigen", x) for x in facts.cd_antigens] + [("INN", x) for x in facts.inns]
    description += [f"DE   AltName: {key}={value};" for key, value in special]
    for name in facts.submitted:
        add("SubName", name)
    for name in facts.chains:
        description += ["DE   Contains:", f"DE     RecName: Full={name.full};"]
    description.append("DE   Flags: Precursor; Fragment;")
    topics = (
        ("FUNCTION", facts.functions),
        ("SUBCELLULAR LOCATION", facts.locations),
        ("SIMILARITY", facts.similarities),
    )
    comments = [
        wrap(f"{topic}: {comment_text(comment, topic.startswith('SUB'))}", "CC   -!- ", "CC       ")
        for topic, group in topics
        for comment in group
    ]
    sequence = facts.sequence
    tens = [sequence[start : start + 10] for start in range(0, len(sequence), 10)]
    lines = [
        f"ID   TEST_HUMAN              {status};         {len(sequence)} AA.",
        f"AC   {facts.accession}; Q99999;",
        f"DT   {facts.created.strftime('%d-%b-%Y').upper()}, integrated into UniProtKB/Swiss-Prot.",
        "DT   01-JAN-2000, sequence version 1.",
        "DT   01-JAN-2024, entry version 100.",
        *description,
        "OS   Homo sapiens (Human).",
        "OC   Eukaryota; Metazoa.",
        "OX   NCBI_TaxID=9606;",
        "RN   [1]",
        "RP   NUCLEOTIDE SEQUENCE.",
        "RL   Submitted (JAN-2000) to the EMBL/GenBank/DDBJ databases.",
        *comments,
        "CC   -!- CATALYTIC ACTIVITY:\nCC       Reaction=A + B = C; Xref=Rhea:RHEA:1, Rhea:RHEA-\nCC         COMP:2;",
        LICENCE.rstrip(),
        "PE   1: Evidence at protein level;",
        "KW   Reference proteome.",
        f"SQ   SEQUENCE   {len(sequence)} AA;  2600 MW;  0123456789ABCDEF CRC64;",
        *("     " + " ".join(tens[start : start + 6]) for start in range(0, len(tens), 6)),
        "//",
    ]
    return "\n".join(lines) + "\n"


def flat_file(*all_facts):
    return "".join(map(flat, all_facts)).encode()


def xml(facts):
    def element(tag, text, **attributes):
        written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        return f"<{tag}{written}>{escape(text)}</{tag}>"

    def name(tag, value):
        inner = element("fullName", value.full, evidence="1")
        inner += "".join(element("shortName", x) for x in value.short)
        inner += "".join(element("ecNumber", x) for x in value.numbers)
        return f"<{tag}>{inner}</{tag}>"

    def hierarchy(tag, text):
        return "".join(element(tag, part[0].upper() + part[1:]) for part in text.split(", ")) if text else ""

    names = name("recommendedName", facts.recommended) if facts.recommended else ""
    names += "".join(name("alternativeName", x) for x in facts.alternative)
    names += "".join(name("submittedName", x) for x in facts.submitted)
    names += element("allergenName", facts.allergen) if facts.allergen else ""
    names += "".join(element("cdAntigenName", x) for x in facts.cd_antigens)
    names += "".join(element("innName", x) for x in facts.inns)
    names += "".join(f"<component>{name('recommendedName', x)}</component>" for x in facts.chains)
    comments = ""
    for kind, group in (
        ("function", facts.functions),
        ("subcellular location", facts.locations),
        ("similarity", facts.similarities),
    ):
        for comment in group:
            inner = element("molecule", comment.molecule) if comment.molecule else ""
            for location, topology, orientation in comment.places:
                parts = hierarchy("location", location) + hierarchy("topology", topology)
                inner += f"<subcellularLocation>{parts}{hierarchy('orientation', orientation)}</subcellularLocation>"
            inner += "".join(element("text", stopped(x), evidence="1 2") for x in comment.texts)
            comments += f'<comment type="{kind}">{inner}</comment>\n'
    return f"""<entry dataset="{"Swiss-Prot" if facts.reviewed else "TrEMBL"}" created="{facts.created}" version="1">
<accession>{facts.accession}</accession>
<accession>Q99999</accession>
<name>TEST_HUMAN</name>
<protein>{names}</protein>
<organism><name type="scientific">Homo sapiens</name></organism>
<reference key="1"><citation type="submission"/><scope>NUCLEOTIDE SEQUENCE</scope></reference>
{comments}<comment type="catalytic activity"><reaction><text>A + B = C</text></reaction></comment>
<dbReference type="EC" id="9.9.9.9"/>
<feature type="chain" description="Test"><location><begin position="1"/><end position="9"/></location></feature>
<evidence type="ECO:0000269" key="1"/>
<sequence length="{len(facts.sequence)}" mass="2600" version="1">{facts.sequence}</sequence>
</entry>
"""


XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<uniprot xmlns="http://uniprot.org/uniprot" xmlns:x="a">\n'
XML_TAIL = "<copyright>\nUniProt Consortium\n</copyright>\n</uniprot>"


def xml_file(*all_facts, head=XML_HEAD, tail=XML_TAIL):
    return (head + "".join(map(xml, all_facts)) + tail).encode()


def json_object(facts):
    def value(text):
        return {"evidences": [{"evidenceCode": "ECO:0000269", "source": "PubMed", "id": "1"}], "value": text}

    def name(whole):
        listed = {"fullName": value(whole.full)}
        if whole.short:
            listed["shortNames"] = [value(x) for x in whole.short]
        if whole.numbers:
            listed["ecNumbers"] = [value(x) for x in whole.numbers]
        return listed

    description = {}
    if facts.recommended:
        description["recommendedName"] = name(facts.recommended)
    for key, names in (("alternativeNames", facts.alternative), ("submissionNames", facts.submitted)):
        if names:
            description[key] = [name(x) for x in names]
    if facts.allergen:
        description["allergenName"] = value(facts.allergen)
    for key, texts in (("cdAntigenNames", facts.cd_antigens), ("innNames", facts.inns)):
        if texts:
            description[key] = [value(x) for x in texts]
    if facts.chains:
        description["contains"] = [{"recommendedName": name(x)} for x in facts.chains]
    description["flag"] = "Fragment,Precursor"
    comments = [{"commentType": "CATALYTIC ACTIVITY", "reaction": {"name": "A + B = C"}}]
    for kind, group in (("FUNCTION", facts.functions), ("SIMILARITY", facts.similarities)):
        comments += [
            {"texts": [value(x) for x in comment.texts], "commentType": kind}
            | ({"molecule": comment.molecule} if comment.molecule else {})
            for comment in group
        ]
    for comment in facts.locations:
        item = {"commentType": "SUBCELLULAR LOCATION"}
        if comment.molecule:
            item["molecule"] = comment.molecule
        if comment.texts:
            item["note"] = {"texts": [value(x) for x in comment.texts]}
        if comment.places:
            keys = ("location", "topology", "orientation")
            item["subcellularLocations"] = [
                {key: value(text) for key, text in zip(keys, place, strict=True) if text} for place in comment.places
            ]
        comments.append(item)
    kind = "reviewed (Swiss-Prot)" if facts.reviewed else "unreviewed (TrEMBL)"
    return {
        "entryType": f"UniProtKB {kind}",
        "primaryAccession": facts.accession,
        "secondaryAccessions": ["Q99999"],
        "uniProtkbId": "TEST_HUMAN",
        "annotationScore": 2.5,
        "entryAudit": {"firstPublicDate": str(facts.created), "lastAnnotationUpdateDate": "2025-04-09"},
        "proteinDescription": description,
        "comments": comments,
        "features": [{"type": "Chain", "location": {"start": {"value": 1}}, "description": "Test"}],
        "sequence": {"value": facts.sequence, "length": len(facts.sequence), "molWeight": 2600},
    }


def json_file(*all_facts, **options):
    return json.dumps({"results": [json_object(facts) for facts in all_facts]}, **options).encode()


TSV_COLUMNS = (
    "Entry",
    "Reviewed",
    "Entry Name",
    "Protein names",
    "Function [CC]",
    "Subcellular location [CC]",
    "Protein families",
    "Length",
    "Sequence",
    "Date of creation",
)


def tsv_cells(facts):
    def brackets(values):
        return "".join(f" ({value})" for value in values)

    names = ""
    if facts.recommended:
        name = facts.recommended
        names = name.full + brackets(name.short) + brackets(f"EC {x}" for x in name.numbers)
    for name in facts.alternative:
        numbers = ", ".join(f"EC {x}" for x in name.numbers)
        names += brackets([name.full, *name.short, *filter(None, [numbers])])
    for position, name in enumerate(facts.submitted):
        written = name.full + brackets(filter(None, [", ".join(f"EC {x}" for x in name.numbers)]))
        names += f" ({written})" if position or names else written
    names += brackets([f"allergen {facts.allergen}"] if facts.allergen else [])
    names += brackets(f"CD antigen {x}" for x in facts.cd_antigens) + brackets(facts.inns)
    if facts.chains:
        names += f" [Cleaved into: {'; '.join(x.full for x in facts.chains)}]"
    families = []
    for comment in facts.similarities:
        for text in comment.texts:
            if text.startswith("Belongs to the "):
                family = text.removeprefix("Belongs to the ").replace("family. ", "family, ")
                families.append(family[0].upper() + family[1:])
    return {
        "Entry": facts.accession,
        "Reviewed": "reviewed" if facts.reviewed else "unreviewed",
        "Entry Name": "TEST_HUMAN",
        "Protein names": names,
        "Function [CC]": "; ".join(f"FUNCTION: {comment_text(x, False)}" for x in facts.functions),
        "Subcellular location [CC]": "; ".join(
            f"SUBCELLULAR LOCATION: {comment_text(x, True)}" for x in facts.locations
        ),
        "Sequence similarities": "; ".join(f"SIMILARITY: {comment_text(x, False)}" for x in facts.similarities),
        "Protein families": "; ".join(families),
        "Length": str(len(facts.sequence)),
        "Sequence": facts.sequence,
        "Date of creation": str(facts.created),
    }


def tsv_file(*all_facts, columns=TSV_COLUMNS):
    rows = ["\t".join(tsv_cells(facts)[column] for column in columns) for facts in all_facts]
    return "".join(line + "\n" for line in ["\t".join(columns), *rows]).encode()


WRITERS = {"flat": flat_file, "xml": xml_file, "json": json_file, "tsv": tsv_file}
