"""One small ontology in every form in which ChEBI comes: OBO, OWL by two writers, an OBO graph, and a table."""

import json

OBO = r"""format-version: 1.2
ontology: chebi

[Term]
id: CHEBI:17
name: made-up acid
alt_id: CHEBI:170
def: "A keto acid called \"β\" that\, by <i>R</i>-configuration\, carries hydroxy groups 2 & 3 at one chain." []
synonym: "2-hydroxy-made-up acid" EXACT IUPAC_NAME [IUPAC]
synonym: "C\\C=C/CC(=O)O" RELATED SMILES [ChEBI]
synonym: "InChI=1S/wrong" RELATED InChI [ChEBI]
is_a: CHEBI:30 ! keto acid
is_a: CHEBI:4 ! phenols
relationship: has_functional_parent CHEBI:19 ! parent acid
relationship: has_part CHEBI:18
relationship: has_role CHEBI:5 ! toxin
relationship: RO:0000087 CHEBI:170
relationship: RO:0002180 CHEBI:5 ! what another ontology adds

[Term]
id: CHEBI:18
name: old term
is_obsolete: true

[Term]
id: CHEBI:19
name: parent acid
property_value: http://purl.obolibrary.org/obo/chebi/smiles "CCC(=O)C(O)=O" xsd:string
property_value: http://purl.obolibrary.org/obo/chebi/inchikey "NOT-A-STRUCTURE" xsd:string

[Term]
id: CHEBI:30
name: keto acid

[Term]
id: CHEBI:4
name: phenols

[Term]
id: CHEBI:5
name: toxin

[Typedef]
id: RO:0000087
name: has role

"""

HEAD = """<?xml version="1.0"?>
<!DOCTYPE rdf:RDF [ <!ENTITY obo "http://purl.obolibrary.org/obo/" > ]>
<rdf:RDF xmlns="http://purl.obolibrary.org/obo/chebi.owl#"
     xmlns:chebi="http://purl.obolibrary.org/obo/chebi/"
     xmlns:obo="http://purl.obolibrary.org/obo/"
     xmlns:oboInOwl="http://www.geneontology.org/formats/oboInOwl#"
     xmlns:owl="http://www.w3.org/2002/07/owl#"
     xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
     xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#">
"""
DEFINITION = (
    'A keto acid called "β" that, by &lt;i&gt;R&lt;/i&gt;-configuration, carries hydroxy groups 2 &amp; 3 at one chain.'
)


def _restriction(relation, target):
    return f"""
        <rdfs:subClassOf>
            <owl:Restriction>
                <owl:onProperty rdf:resource="&obo;{relation}"/>
                <owl:someValuesFrom rdf:resource="&obo;{target}"/>
            </owl:Restriction>
        </rdfs:subClassOf>"""


def _typed(id, synonym, kind, scope="Related"):
    return f"""
    <owl:Axiom>
        <owl:annotatedSource rdf:resource="&obo;{id}"/>
        <owl:annotatedProperty rdf:resource="http://www.geneontology.org/formats/oboInOwl#has{scope}Synonym"/>
        <owl:annotatedTarget>{synonym}</owl:annotatedTarget>
        <oboInOwl:hasSynonymType rdf:resource="&obo;chebi#{kind}"/>
    </owl:Axiom>"""


SMILES = r"C\C=C/CC(=O)O"
RESTRICTIONS = "".join(
    _restriction(*pair)
    for pair in (
        ("chebi#has_functional_parent", "CHEBI_19"),
        ("BFO_0000051", "CHEBI_18"),
        ("RO_0000087", "CHEBI_5"),
        ("RO_0000087", "CHEBI_170"),
        ("RO_0002180", "CHEBI_5"),
    )
)
SYNONYM_TYPES = "".join(
    (
        _typed("CHEBI_17", "2-hydroxy-made-up acid", "IUPAC_NAME", "Exact"),
        _typed("CHEBI_17", SMILES, "SMILES"),
        _typed("CHEBI_17", "InChI=1S/wrong", "InChI"),
    )
)
# As the OWL API writes it: axioms behind their class, the classes sorted.
OWL = f"""{HEAD}
    <owl:Ontology rdf:about="&obo;chebi.owl"/>
    <owl:ObjectProperty rdf:about="&obo;RO_0000087"><rdfs:label>has role</rdfs:label></owl:ObjectProperty>
    <!-- a comment -->
    <owl:Class rdf:about="&obo;CHEBI_17">
        <rdfs:label xml:lang="de">ausgedachte Säure</rdfs:label>
        <rdfs:label>made-up acid</rdfs:label>
        <rdfs:subClassOf rdf:resource="&obo;CHEBI_30"/>
        <rdfs:subClassOf rdf:resource="&obo;CHEBI_4"/>{RESTRICTIONS}
        <obo:IAO_0000115>{DEFINITION}</obo:IAO_0000115>
        <oboInOwl:hasAlternativeId>CHEBI:170</oboInOwl:hasAlternativeId>
        <oboInOwl:hasExactSynonym>2-hydroxy-made-up acid</oboInOwl:hasExactSynonym>
        <oboInOwl:hasRelatedSynonym>{SMILES}</oboInOwl:hasRelatedSynonym>
        <oboInOwl:hasRelatedSynonym>InChI=1S/wrong</oboInOwl:hasRelatedSynonym>
    </owl:Class>{SYNONYM_TYPES}
    <owl:Class rdf:about="&obo;CHEBI_18">
        <rdfs:label>old term</rdfs:label>
        <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated>
    </owl:Class>
    <owl:Class rdf:about="&obo;CHEBI_19">
        <rdfs:label>parent acid</rdfs:label>
        <chebi:inchikey>NOT-A-STRUCTURE</chebi:inchikey>
        <chebi:smiles>CCC(=O)C(O)=O</chebi:smiles>
    </owl:Class>
    <owl:Class rdf:about="&obo;CHEBI_30"><rdfs:label>keto acid</rdfs:label></owl:Class>
    <owl:Class rdf:about="&obo;CHEBI_4"><rdfs:label>phenols</rdfs:label></owl:Class>
    <owl:Class rdf:about="&obo;CHEBI_5"><rdfs:label>toxin</rdfs:label></owl:Class>
</rdf:RDF>
"""

NODES = {
    "N1": ("chebi#has_functional_parent", "CHEBI_19"),
    "N2": ("BFO_0000051", "CHEBI_18"),
    "N3": ("RO_0000087", "CHEBI_5"),
    "N4": ("RO_0000087", "CHEBI_170"),
}
TYPED = [
    ("2-hydroxy-made-up acid", "IUPAC_NAME"),
    (SMILES, "SMILES"),
    ("InChI=1S/wrong", "InChI"),
]
# As rdflib writes it: nothing nested, everything a description, in any order.
OWL_OF_NODES = (
    HEAD
    + "".join(
        f"""
  <rdf:Description rdf:nodeID="{node}">
    <rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Restriction"/>
    <owl:onProperty rdf:resource="&obo;{relation}"/>
    <owl:someValuesFrom rdf:resource="&obo;{target}"/>
  </rdf:Description>"""
        for node, (relation, target) in list(NODES.items())[:2]
    )
    + f"""
  <rdf:Description rdf:about="&obo;CHEBI_17">
    <rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Class"/>
    <rdfs:label>made-up acid</rdfs:label>
    <obo:IAO_0000115>{DEFINITION}</obo:IAO_0000115>
    <oboInOwl:hasAlternativeId>CHEBI:170</oboInOwl:hasAlternativeId>
    <rdfs:subClassOf rdf:nodeID="N3"/>
    <rdfs:subClassOf rdf:nodeID="N1"/>
    <rdfs:subClassOf rdf:nodeID="N4"/>
    <rdfs:subClassOf rdf:nodeID="N2"/>
    <rdfs:subClassOf rdf:resource="&obo;CHEBI_30"/>
  </rdf:Description>
  <rdf:Description rdf:about="&obo;CHEBI_18">
    <rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Class"/>
    <rdfs:label>old term</rdfs:label><owl:deprecated>1</owl:deprecated>
  </rdf:Description>
  <owl:Class rdf:about="&obo;CHEBI_17">
    <rdfs:subClassOf>
      <owl:Class rdf:about="&obo;CHEBI_4" rdfs:label="phenols"/>
    </rdfs:subClassOf>
  </owl:Class>
  <owl:Class rdf:about="&obo;CHEBI_19" chebi:smiles="CCC(=O)C(O)=O" rdfs:label="parent acid"/>
  <owl:Class rdf:about="&obo;CHEBI_30" rdfs:label="keto acid"/>
  <owl:Class rdf:about="&obo;CHEBI_5" rdfs:label="toxin"/>"""
    + "".join(
        f"""
  <rdf:Description rdf:nodeID="{node}">
    <rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Restriction"/>
    <owl:onProperty rdf:resource="&obo;{relation}"/>
    <owl:someValuesFrom rdf:resource="&obo;{target}"/>
  </rdf:Description>"""
        for node, (relation, target) in list(NODES.items())[2:]
    )
    + "".join(
        f"""
  <rdf:Description rdf:nodeID="A{kind}">
    <rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Axiom"/>
    <owl:annotatedSource rdf:resource="&obo;CHEBI_17"/>
    <owl:annotatedProperty rdf:resource="http://www.geneontology.org/formats/oboInOwl#hasRelatedSynonym"/>
    <owl:annotatedTarget>{synonym}</owl:annotatedTarget>
    <oboInOwl:hasSynonymType rdf:resource="&obo;chebi#{kind}"/>
  </rdf:Description>"""
        for synonym, kind in TYPED
    )
    + "\n</rdf:RDF>\n"
)

ADDRESS = "http://purl.obolibrary.org/obo/"


def _node(id, label, meta=None, kind="CLASS"):
    return {"id": ADDRESS + id, "lbl": label, "type": kind, "meta": meta or {}}


def _edge(pred, obj):
    return {"sub": f"{ADDRESS}CHEBI_17", "pred": pred, "obj": ADDRESS + obj}


GRAPH = {
    "graphs": [
        {
            "id": f"{ADDRESS}chebi.owl",
            "meta": {"version": "1"},
            "edges": [
                _edge("is_a", "CHEBI_4"),
                _edge(f"{ADDRESS}RO_0000087", "CHEBI_170"),
                _edge(f"{ADDRESS}RO_0000087", "CHEBI_5"),
                _edge("is_a", "CHEBI_30"),
                _edge(f"{ADDRESS}BFO_0000051", "CHEBI_18"),
                _edge(f"{ADDRESS}chebi#has_functional_parent", "CHEBI_19"),
            ],
            "nodes": [
                _node(
                    "CHEBI_17",
                    "made-up acid",
                    {
                        "definition": {
                            "val": 'A keto acid called "β" that, by <i>R</i>-configuration, carries hydroxy groups '
                            "2 & 3 at one chain.",
                            "xrefs": ["PMID:1"],
                        },
                        "synonyms": [
                            {"pred": "hasRelatedSynonym", "val": text, "synonymType": f"{ADDRESS}chebi#{kind}"}
                            for text, kind in TYPED
                        ],
                        "basicPropertyValues": [
                            {
                                "pred": "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId",
                                "val": "CHEBI:170",
                            }
                        ],
                    },
                ),
                _node("CHEBI_18", "old term", {"deprecated": True}),
                _node(
                    "CHEBI_19",
                    "parent acid",
                    {"basicPropertyValues": [{"pred": f"{ADDRESS}chebi/smiles", "val": "CCC(=O)C(O)=O"}]},
                ),
                _node("CHEBI_30", "keto acid"),
                _node("CHEBI_4", "phenols"),
                _node("CHEBI_5", "toxin"),
                _node("RO_0000087", "has role", kind="PROPERTY"),
            ],
            "equivalentNodesSets": [],
            "logicalDefinitionAxioms": [],
        }
    ]
}

FORMS = {
    "chebi.obo": OBO,
    "chebi.owl": OWL,
    "nodes.owl": OWL_OF_NODES,
    "chebi.json": json.dumps(GRAPH, indent=2, ensure_ascii=False),
    "line.json": json.dumps(GRAPH),
}
