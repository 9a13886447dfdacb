"""Sets on the Hub, which this machine plays itself: what goes up, what does not, and what is in the way."""

import json
import shutil

import datasets
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard, constants
from typer.testing import CliRunner

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.building.publishing import publish_set
from biomedgpt_hf.cli import app
from biomedgpt_hf.publishing.destination import Destination, HubError
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION
from biomedgpt_hf.rows.licenses import LicenseError, may_be_published
from biomedgpt_hf.sets.table.builder import build_table

from ..checkpoints.stand_in_hub import StandInHub, reach, serve

QUIET = BuildSettings(progress=False)
REPO = "datasets/org/alcohols"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with serve(StandInHub()) as hub:
        reach(hub, monkeypatch, tmp_path)
        yield hub


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def write_table(path, count=40):
    path.write_text("smiles,answer\n" + "".join(f"{'C' * n}O,Alcohol {n}.\n" for n in range(1, count + 1)))
    return path


def build(folder, license="CC-BY-4.0", count=40):
    table = write_table(folder.with_suffix(".csv"), count)
    options = {"answer_column": "answer", "molecule_columns": ["smiles"], "question": "What is it?", "license": license}
    build_table([table], folder, settings=QUIET, **options)
    return folder


@pytest.fixture
def built(tmp_path):
    return build(tmp_path / "alcohols")


TABLE = ("--molecule-column", "smiles", "--answer-column", "answer", "--question", "What is it?")


def test_a_build_uploads_rows_card_and_manifest_and_the_hub_s_copy_loads(hub, run, tmp_path):
    table = write_table(tmp_path / "alcohols.csv")
    words = ("data", "table", table, *TABLE, "--license", "CC-BY-4.0", "--output", tmp_path / "set")
    result = run(*words, "--push-to-hub", "org/alcohols")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"Uploaded to {hub.url}/{REPO}"
    rows = {path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").glob("data/*.parquet")}
    assert hub.files[REPO].keys() == {"README.md", "manifest.json", *rows}
    card = DatasetCard(hub.files[REPO]["README.md"].decode())
    assert card.data.license == ["cc-by-4.0"] and 'load_dataset("org/alcohols")' in card.text
    assert USE_RESTRICTION in card.text
    assert json.loads(hub.files[REPO]["manifest.json"])["licenses"] == ["CC-BY-4.0"]
    loaded = datasets.load_dataset("org/alcohols")
    assert {split: len(loaded[split]) for split in loaded} == {
        split: pq.read_table(next(tmp_path.glob(f"set/data/{split}-*"))).num_rows for split in loaded
    }
    assert loaded["train"][0]["license"] == "CC-BY-4.0"


def test_only_what_belongs_to_a_set_goes_up(hub, built):
    for name in ("LICENSE", "NOTICE.md"):
        (built / name).write_text("Terms.")
    for name in (".env", "notes.txt", "model.bin", "data/extra.pkl", "data/journal.sqlite", "data/other.parquet"):
        (built / name).write_text("secret")
    publish_set(built, Destination("org/alcohols"))
    kept = {path for path in hub.files[REPO] if not path.startswith("data/")}
    assert kept == {"README.md", "manifest.json", "LICENSE", "NOTICE.md"}
    assert all(b"secret" not in content for content in hub.files[REPO].values())
    assert not [path for path in hub.files[REPO] if not path.startswith(("data/t", "data/v")) and path not in kept]


def test_shards_of_an_earlier_upload_do_not_stay_beside_the_new_ones(hub, built):
    old = {"data/train-00001-of-00002.parquet": b"old", "data/test-00000-of-00007.parquet": b"old", "mine.txt": b"mine"}
    hub.files[REPO] = dict(old)
    publish_set(built, Destination("org/alcohols"))
    assert b"old" not in hub.files[REPO].values() and hub.files[REPO]["mine.txt"] == b"mine"


def test_a_card_that_somebody_wrote_on_the_hub_stays_until_ours_is_edited_too(hub, built):
    publish_set(built, Destination("org/alcohols"))
    ours = hub.files[REPO]["README.md"]
    hub.files[REPO]["README.md"] = theirs = ours + b"\nThey say more.\n"
    publish_set(built, Destination("org/alcohols"))
    assert hub.files[REPO]["README.md"] == theirs
    (built / "README.md").write_text("# Mine\n")
    publish_set(built, Destination("org/alcohols"))
    assert hub.files[REPO]["README.md"] == b"# Mine\n"


@pytest.mark.parametrize("license", ["unknown", "CC-BY-ND-4.0", "https://example.org/terms"])
def test_rows_that_may_not_be_passed_on_stay_here_unless_nobody_else_reads_them(hub, tmp_path, license):
    folder = build(tmp_path / "closed", license)
    with pytest.raises(LicenseError, match="40 rows have no licence that lets everybody have them: 40 of 'closed.csv'"):
        publish_set(folder, Destination("org/closed"))
    assert "datasets/org/closed" not in hub.files
    publish_set(folder, Destination("org/closed", private=True))
    assert "datasets/org/closed" in hub.private
    publish_set(folder, Destination("org/permitted", permitted=[license]))
    assert "datasets/org/permitted" in hub.files and "datasets/org/permitted" not in hub.private


def test_the_rows_tell_the_licence_and_not_the_manifest(hub, tmp_path):
    folder = build(tmp_path / "closed", "unknown")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["depositors"][0]["license"] = manifest["licenses"][0] = "CC0-1.0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LicenseError, match="under 'unknown'"):
        publish_set(folder, Destination("org/closed"))


def test_private_is_no_promise_where_a_repository_is_public(hub, tmp_path):
    folder = build(tmp_path / "closed", "unknown")
    hub.files["datasets/org/open"] = {"mine.txt": b"mine"}
    with pytest.raises(HubError, match="org/open exists and is public"):
        publish_set(folder, Destination("org/open", private=True))
    hub.files["datasets/org/hidden"] = {"mine.txt": b"mine"}
    hub.private.add("datasets/org/hidden")
    publish_set(folder, Destination("org/hidden"))  # it is private, whether or not that is asked for
    assert "manifest.json" in hub.files["datasets/org/hidden"]


@pytest.mark.parametrize(
    ("license", "may"),
    [
        *[(name, True) for name in ("CC0-1.0", "CC-BY-4.0", "cc-by-nc-sa-3.0", "CC-BY-3.0-IGO", "MIT", "ODbL-1.0")],
        *[(name, False) for name in ("unknown", "", "CC-BY-NC-ND-4.0", "CC-BY", "Proprietary", "MIT or so", "other")],
    ],
)
def test_which_licences_let_everybody_have_the_rows(license, may):
    assert may_be_published(license) == may


def test_a_table_without_a_licence_is_refused_before_it_is_read(hub, run, tmp_path):
    table = write_table(tmp_path / "t.csv")
    result = run("data", "table", table, *TABLE, "--output", tmp_path / "set", "--push-to-hub", "org/t")
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert "--license is 'unknown'" in result.output and "--private" in result.output
    assert not (tmp_path / "set").exists() and not hub.files


def test_an_upload_that_fails_loses_nothing_and_the_same_command_only_uploads(hub, run, tmp_path, monkeypatch):
    table = write_table(tmp_path / "t.csv")
    words = ("data", "table", table, *TABLE, "--license", "MIT", "--output", tmp_path / "set", "--push-to-hub", "org/t")
    hub.down = True
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    result = run(*words)
    assert result.exit_code == 1 and result.stderr.splitlines()[-1].startswith("Error: ")
    assert f"All is kept in {tmp_path / 'set'}: `biomedgpt push {tmp_path / 'set'} org/t` uploads it." in result.stderr
    assert "manifest.json" not in hub.files["datasets/org/t"]
    hub.down = False
    before = (tmp_path / "set" / "manifest.json").read_bytes()
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "holds this set already" in result.stdout and "Wrote" not in result.stdout
    assert (tmp_path / "set" / "manifest.json").read_bytes() == before == hub.files["datasets/org/t"]["manifest.json"]


def test_another_command_does_not_upload_the_set_that_is_there(hub, run, tmp_path):
    table = write_table(tmp_path / "t.csv")
    words = ("data", "table", table, *TABLE, "--license", "MIT", "--output", tmp_path / "set")
    assert run(*words).exit_code == 0
    result = run(*words, "--seed", "7", "--push-to-hub", "org/t")
    assert result.exit_code == 1 and "already exists and is not empty" in result.output and not hub.files


def test_push_uploads_a_finished_set(hub, run, built):
    result = run("push", built, "alcohols", "--commit-message", "The first edition", "--hub-revision", "v1")
    assert result.exit_code == 0, result.output
    assert "README.md" in hub.files["datasets/somebody/alcohols"] and hub.commits == ["The first edition"]


def test_push_refuses_what_is_no_whole_set(hub, run, built, tmp_path):
    next(built.glob("data/test-*")).unlink()
    whole = shutil.copytree(built, tmp_path / "bare")
    (whole / "manifest.json").unlink()
    for folder, said in ((built, "is not whole"), (whole, "no readable manifest.json"), (tmp_path / "no", "no such")):
        result = run("push", folder, "org/x")
        assert result.exit_code == 1 and result.output.count("\n") == 1 and said in result.output
    assert not hub.files


@pytest.mark.parametrize(
    ("user", "repo", "said"),
    [
        (None, "org/x", "the token is not accepted (401"),
        ({"name": "somebody", "auth": {"accessToken": {"role": "read"}}}, "org/x", "may only read"),
        ({"name": "somebody"}, "stranger/x", "the owner must be somebody"),
        ({"name": "somebody"}, "a/b/c", "'a/b/c' is no name of a repository"),
        ({"name": "somebody"}, "org/two--dashes", "is no name of a repository"),
        ({"name": "somebody"}, "org/locked", "the token may not write there (403"),
        ({"name": "somebody"}, "org/gated", "the token may not write there (403, Ask first)"),
    ],
)
def test_what_is_in_the_way_is_told_before_anything_is_built(hub, run, tmp_path, user, repo, said):
    hub.user = user
    hub.files["datasets/org/locked"] = {"mine.txt": b"mine"}
    hub.read_only.add("datasets/org/locked")
    hub.refusals["datasets/org/gated"] = (403, "Ask first")
    table = write_table(tmp_path / "t.csv")
    words = ("data", "table", table, *TABLE, "--license", "MIT", "--output", tmp_path / "set")
    result = run(*words, "--push-to-hub", repo)
    assert result.exit_code == 1 and result.output.count("\n") == 1, result.output
    assert result.output.startswith("Error: ") and said in result.output
    assert not (tmp_path / "set").exists()


def test_no_token_no_network_and_offline_are_one_line_each(run, built, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
    monkeypatch.setattr("huggingface_hub.utils._auth._get_token_from_google_colab", lambda: None)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    assert "without a token. Log in with `hf auth login`" in run("push", built, "org/x").output
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert "HF_HUB_OFFLINE is set" in run("push", built, "org/x").output
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    result = run("push", built, "org/x")
    assert "cannot be reached for org/x" in result.output and result.output.count("\n") == 1


def test_a_failure_of_the_transfer_itself_is_one_line_too(hub, run, built, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("Data processing error:\n the connection was lost")

    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", broken)
    result = run("push", built, "org/x")
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert "An upload failed to org/x" in result.output and "the connection was lost" in result.output


def test_permitted_licences_are_a_list():
    with pytest.raises(ValueError, match="Give a list of licences"):
        Destination("org/x", permitted="unknown")


def test_options_of_an_upload_need_one(run, tmp_path):
    result = run("data", "table", write_table(tmp_path / "t.csv"), *TABLE, "--output", tmp_path / "set", "--private")
    assert result.exit_code == 1 and "--private says how something is uploaded" in result.output
