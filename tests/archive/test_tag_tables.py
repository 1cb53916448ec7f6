"""Tables of tags in every form: the right classes, or a sentence that names the remedy, and the remedy works."""

import csv
import json
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from landscribe.archive.image import PLANET_BAND_ORDER
from landscribe.archive.tag_table import TableForm
from landscribe.archive.tagged_images import TaggedImages
from landscribe.core.errors import ArchiveError

Truth = dict[str, list[str]]

WORDS: Truth = {
    "a": ["water", "forest"],
    "b": ["forest"],
    "c": ["water", "bare-soil"],
    "d": ["dirt_road", "water", "forest"],
    "e": ["bare-soil", "forest"],
    "f": [],
}
PLAIN: Truth = {"a": ["water", "forest"], "b": ["forest"], "c": ["water", "road"], "d": ["road"], "e": ["water"]}
SPACED: Truth = {  # class names with inner blanks
    "a": ["bare soil", "open water"],
    "b": ["open water"],
    "c": ["bare soil", "mixed forest"],
    "d": ["mixed forest", "road"],
    "e": ["road"],
}
SINGLE: Truth = {"a": ["forest"], "b": ["water"], "c": ["forest"], "d": ["bare-soil"]}
SINGLE_SPACED: Truth = {"a": ["annual crop"], "b": ["forest"], "c": ["permanent crop"], "d": ["sea lake"]}
NUMBERS: Truth = {"a": ["1", "3"], "b": ["3"], "c": ["12", "1"], "d": ["12"]}
ACCENTS: Truth = {"é1": ["forêt", "eau"], "b": ["eau"], "c": ["forêt"]}
PUBLISHED: Truth = {
    "a": ["Transitional woodland, shrub", "Inland waters"],
    "b": ["Inland waters"],
    "c": ["Land principally occupied by agriculture, with significant areas of natural vegetation"],
}
FOLDERS: Truth = {"forest/1": ["forest"], "forest/2": ["forest"], "water/1": ["water"], "bare soil/1": ["bare soil"]}
PATHS: Truth = {f"set {number % 2}/{name}": tags for number, (name, tags) in enumerate(PLAIN.items())}

FOUND = TableForm()

Write = Callable[[Path, Truth], TableForm]


def text(
    mark: str,
    delimiter: str = ",",
    header: Sequence[str] = ("image_name", "tags"),
    change: Callable[[str], str] = str,
    encoding: str = "utf-8",
    form: TableForm = FOUND,
    **options: Any,
) -> Write:
    """Return what writes a CSV with a column of tags, `mark` between them."""

    def write(path: Path, truth: Truth) -> TableForm:
        with path.open("w", newline="", encoding=encoding) as stream:
            writer = csv.writer(stream, delimiter=delimiter, **{"lineterminator": "\n", **options})
            writer.writerow(header)
            writer.writerows([name, mark.join(tags)] for name, tags in truth.items())
        path.write_bytes(change(path.read_bytes().decode(encoding)).encode(encoding))
        return form

    return write


def cells(show: Callable[[list[str]], str], header: Sequence[str] = ("image_name", "tags")) -> Write:
    """Return what writes a CSV whose cells of tags are shown by a function."""

    def write(path: Path, truth: Truth) -> TableForm:
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *([name, show(tags)] for name, tags in truth.items())])
        return FOUND

    return write


def hot(yes: str = "1", no: str = "0", delimiter: str = ",", extra: dict[str, str] | None = None) -> Write:
    """Return what writes a CSV with a column per class, last class first, and perhaps other columns."""

    def write(path: Path, truth: Truth) -> TableForm:
        classes = sorted({tag for tags in truth.values() for tag in tags}, reverse=True)
        beside = extra or {}
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, delimiter=delimiter)
            writer.writerow([*classes, "filename", *beside])
            for name, tags in truth.items():
                writer.writerow([*(yes if tag in tags else no for tag in classes), f"{name}.jpg", *beside.values()])
        return FOUND

    return write


def parquet(make: Callable[[Truth], dict[str, Any]], form: TableForm = FOUND) -> Write:
    """Return what writes a Parquet of these columns."""

    def write(path: Path, truth: Truth) -> TableForm:
        pq.write_table(pa.table(make(truth)), path)
        return form

    return write


def lists(name: str, labels: str) -> Callable[[Truth], dict[str, Any]]:
    return lambda truth: {name: list(truth), labels: pa.array(truth.values(), pa.list_(pa.string()))}


def flags(kind: type) -> Callable[[Truth], dict[str, Any]]:
    def make(truth: Truth) -> dict[str, Any]:
        classes = {tag for tags in truth.values() for tag in tags}
        return {"path": list(truth)} | {tag: [kind(tag in tags) for tags in truth.values()] for tag in classes}

    return make


def folders(path: Path, truth: Truth) -> TableForm:
    """Write no table: the folders are the tags."""
    return FOUND


def reverse(content: str) -> str:
    """Return the rows of a table, the columns swapped."""
    rows = list(csv.reader(content.splitlines()))
    return "\n".join(",".join(f'"{field}"' for field in row[::-1]) for row in rows)


COMMON: dict[str, tuple[Write, Truth]] = {
    "space": (text(" "), WORDS),
    "quoted comma": (text(","), WORDS),
    "semicolon": (text(";"), WORDS),
    "bar": (text("|"), WORDS),
    "column per class": (hot(), WORDS),
    "folder per class": (folders, FOLDERS),
}
READ: dict[str, tuple[Write, Truth]] = {
    **COMMON,
    "space, plain names": (text(" "), PLAIN),
    "two spaces": (text("  "), PLAIN),
    "comma and blank": (text(", "), WORDS),
    "comma, inner blanks": (text(","), SPACED),
    "comma and blank, inner blanks": (text(", "), SPACED),
    "semicolon, inner blanks": (text("; "), SPACED),
    "bar, inner blanks": (text(" | "), SPACED),
    "bar at the end": (text("|", change=lambda content: content.replace("\n", "|\n").replace("tags|", "tags")), PLAIN),
    "one tag per image": (text(" "), SINGLE),
    "numbers": (text(" "), NUMBERS),
    "numbers, bar": (text("|"), NUMBERS),
    "number per image": (text(" ", header=("file", "label")), {"a": ["0"], "b": ["1"], "c": ["10"]}),
    "Python's list": (cells(str), WORDS),
    "JSON's list": (cells(json.dumps), SPACED),
    "NumPy's list": (cells(lambda tags: f"[{' '.join(map(repr, tags))}]"), SPACED),
    "a set": (cells(lambda tags: "{" + ", ".join(map(repr, tags)) + "}"), SPACED),
    "list without quotes": (cells(lambda tags: f"[{', '.join(tags)}]"), SPACED),
    "semicolons between the fields": (text(",", delimiter=";"), WORDS),
    "tabs between the fields": (text(" ", delimiter="\t"), WORDS),
    "tabs, commas between tags": (text(", ", delimiter="\t"), SPACED),
    "mark of UTF-8": (text(",", encoding="utf-8-sig"), WORDS),
    "CRLF": (text(" ", lineterminator="\r\n"), WORDS),
    "blank rows": (text(" ", change=lambda content: content.replace("\n", "\n,\n\n")), WORDS),
    "every field quoted": (text(" ", quoting=csv.QUOTE_ALL), WORDS),
    "blank after the delimiter": (text(" ", change=lambda content: content.replace(",", ", ")), PLAIN),
    "headers in capitals": (text(";", header=("FileName", "LABELS")), WORDS),
    "headers of two words": (text(";", header=("Image Name", "Class")), WORDS),
    "columns swapped": (text(",", change=reverse), PLAIN),
    "repeated rows": (text(" ", change=lambda content: content + "b.jpg,forest\nb,forest\n"), PLAIN),
    "decomposed": (text(";", change=lambda content: unicodedata.normalize("NFD", content)), ACCENTS),
    "composed": (text(";"), ACCENTS),
    "paths": (text(" ", header=("path", "labels")), PATHS),
    "paths of Windows": (text(",", change=lambda content: content.replace("/", "\\")), PATHS),
    "true and false": (hot("True", "FALSE"), SPACED),
    "floats per class": (hot("1.0", "0.0", ";"), SPACED),
    "numbers as classes": (hot(), NUMBERS),
    "facts beside the classes": (hot(extra={"split": "train", "lat": "47.5", "": "7"}), WORDS),
    "Parquet, lists": (parquet(lists("image_name", "tags")), WORDS),
    "Parquet, text": (
        parquet(lambda truth: {"file": list(truth), "tags": list(map(";".join, truth.values()))}),
        SPACED,
    ),
    "Parquet, flags": (parquet(flags(bool)), SPACED),
    "Parquet, numbers": (parquet(flags(int)), WORDS),
    "import, CSV": (text(";", header=("patch_id", "labels"), quoting=csv.QUOTE_ALL), PUBLISHED),
    "import, Parquet": (parquet(lists("patch_id", "labels")), PUBLISHED),
    "blanks that do not break": (text("\u00a0"), PLAIN),
    "mark of no width": (text(";", change=lambda content: content.replace(",", ",\u200b")), WORDS),
    "Excel's first line": (text(",", delimiter=";", change=lambda content: "sep=;\n" + content), PLAIN),
    "named columns": (text(" ", header=("scene", "what"), form=TableForm(None, "scene", "what")), PLAIN),
    "named separator": (text(",", form=TableForm(",")), SPACED),
    "named space": (text(" ", form=TableForm(" ")), {"a": ["water", "forest"], "b": ["forest"]}),
    "named for whole names": (text(" ", form=TableForm(";")), SINGLE_SPACED),
}
# Table -> its rows, and words of the sentence; what the sentence says to do is done below.
REFUSED: dict[str, tuple[Write, Truth, str]] = {
    "names of several words": (text(" "), SINGLE_SPACED, "'annual' + 'crop' (archive.tag_separator: ' ')"),
    "unquoted commas": (text(",", quoting=csv.QUOTE_NONE, escapechar="\\",
                             change=lambda content: content.replace("\\", "")), PLAIN, "Put quotes around"),
    "slash": (text("/"), PLAIN, "write ';' in its place"),
    "UTF-16": (text(" ", encoding="utf-16"), PLAIN, "iconv -f UTF-16 -t UTF-8"),
    "Latin-1": (text(";", encoding="latin-1"), ACCENTS, "iconv -f ISO-8859-1 -t UTF-8"),
    "other headers": (text(" ", header=("scene", "tags")), PLAIN, "set archive.image_column, e.g. to scene"),
    "contradiction": (text(" ", change=lambda content: content + "b,road\n"), PLAIN, "line 3 and line 7"),
    "two spellings": (text(" "), PLAIN | {"g": ["Water"]}, "'Water' (1 images, first on line 7) and 'water' (3"),
}  # fmt: skip


def make_images(root: Path, names: Sequence[str]) -> None:
    """Write a small image of each name."""
    for name in names:
        path = root / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def prepare(folder: Path, write: Write, truth: Truth) -> TaggedImages:
    """Return a reader of the images of `truth`, and of their table if there is one."""
    make_images(folder / "images", list(truth))
    form = write(folder / "table", truth)
    table = folder / "table" if (folder / "table").exists() else None
    return TaggedImages(folder / "images", table, PLANET_BAND_ORDER, form)


def read(archive: TaggedImages) -> Truth:
    """Return patch_id -> labels."""
    listing = archive.read_listing()
    assert listing.quarantined == []
    return dict(zip(listing.patches["patch_id"].to_pylist(), listing.patches["labels"].to_pylist(), strict=True))


def expect(truth: Truth) -> Truth:
    """Return the truth under patch_ids, tags sorted."""
    names = [name.rpartition("/")[2] for name in truth]
    ids = names if len(set(names)) == len(names) else list(truth)
    return {name: sorted(tags) for name, tags in zip(ids, truth.values(), strict=True)}


@pytest.mark.parametrize("kind", READ)
def test_a_table_gives_the_classes_that_it_means(kind: str, tmp_path: Path) -> None:
    write, truth = READ[kind]
    found = read(prepare(tmp_path, write, truth))
    assert {name: sorted(tags) for name, tags in found.items()} == expect(truth)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_table_that_cannot_be_read_in_one_way_alone_is_refused_with_the_remedy(kind: str, tmp_path: Path) -> None:
    write, truth, words = REFUSED[kind]
    archive = prepare(tmp_path, write, truth)
    for attempt in (archive.read_listing, lambda: list(archive.iter_units())):
        with pytest.raises(ArchiveError) as caught:
            attempt()
        assert words in str(caught.value)
        assert str(archive.labels_file) in str(caught.value)


def test_few_of_the_tables_are_refused() -> None:
    assert len(READ) >= 40
    assert len(REFUSED) <= 8


def test_the_separator_is_said(tmp_path: Path) -> None:
    words = {" ": "a space between the tags (found)", ";": "';' between the tags (found)"}
    for mark, said in words.items():
        folder = tmp_path / str(ord(mark))
        assert read_words(prepare(folder, text(mark), PLAIN)) == (
            f"table: images in the column image_name, tags in the column tags: {said}"
        )
    assert "3 classes" in read_words(prepare(tmp_path / "hot", hot(), PLAIN))


def read_words(archive: TaggedImages) -> str:
    return archive.read_listing().labels_from


# Each remedy, done to the letter.


def say(archive: TaggedImages) -> str:
    with pytest.raises(ArchiveError) as caught:
        archive.read_listing()
    return str(caught.value)


@pytest.mark.parametrize("kind", ["UTF-16", "Latin-1"])
def test_the_command_that_is_named_makes_utf_8(kind: str, tmp_path: Path) -> None:
    write, truth, _ = REFUSED[kind]
    archive = prepare(tmp_path, write, truth)
    found = re.search(r"Run: (.*) and set archive\.labels_file to (.*)$", say(archive))
    assert found
    subprocess.run(found[1], shell=True, check=True)  # noqa: S602
    (out,) = shlex.split(found[2])
    fixed = TaggedImages(archive.root, Path(out), PLANET_BAND_ORDER)
    assert {name: sorted(tags) for name, tags in read(fixed).items()} == expect(truth)


@pytest.mark.parametrize(("kind", "right"), [("names of several words", SINGLE_SPACED), ("bare soil,water", None)])
def test_each_reading_that_is_shown_can_be_had_by_the_key_that_is_shown(
    kind: str, right: Truth | None, tmp_path: Path
) -> None:
    truth = right or {"a": ["bare soil", "water"], "b": ["forest"]}
    archive = prepare(tmp_path, text(","), truth)
    readings = re.findall(r"((?:'[^']*'(?: \+ )?)+) \(archive\.tag_separator: '(.)'\)", say(archive))
    assert len(readings) >= 2
    seen = []
    for shown, mark in readings:
        named = TaggedImages(archive.root, archive.labels_file, PLANET_BAND_ORDER, TableForm(mark))
        assert read(named)["a"] == re.findall(r"'([^']*)'", shown)
        seen.append({name: sorted(tags) for name, tags in read(named).items()})
    assert expect(truth) in seen


def test_the_other_remedies_work(tmp_path: Path) -> None:
    slash = prepare(tmp_path / "slash", text("/"), PLAIN)
    table = tmp_path / "slash/table"
    whole = TaggedImages(slash.root, table, PLANET_BAND_ORDER, TableForm(";"))
    assert read(whole)["a"] == ["water/forest"]
    table.write_text(table.read_text().replace("/", ";"))
    assert read(slash)["a"] == ["water", "forest"]
    scene = prepare(tmp_path / "scene", REFUSED["other headers"][0], PLAIN)
    named = TaggedImages(scene.root, scene.labels_file, PLANET_BAND_ORDER, TableForm(image_column="scene"))
    assert read(named)["a"] == ["water", "forest"]
    headless = prepare(tmp_path / "headless", text(" ", header=("x1", "water")), PLAIN)
    assert "put a line image_name,tags above it" in say(headless)
    table = tmp_path / "headless/table"
    table.write_text("image_name,tags\n" + table.read_text())
    make_images(headless.root, ["x1"])
    assert read(headless)["x1"] == ["water"]


# Rows that are no tags -> words of the sentence.
NO_TAGS = {
    "nan": "leave the cell empty; if it is a class, give it another name",
    "None": "leave the cell empty",
    "water 3.0": "Write '3'",
    "[water": "left over: another separator or quoting",
    "-": "leave the cell empty",
    "FOREST": "Write one spelling throughout",
    "forest.": "'forest.'",
    "wa_ter wa-ter": "Write one spelling throughout",
}


@pytest.mark.parametrize("cell", NO_TAGS)
def test_what_is_no_name_becomes_no_class(cell: str, tmp_path: Path) -> None:
    archive = prepare(tmp_path, text(" ", change=lambda content: content + f"g,{cell}\n"), PLAIN)
    words = say(archive)
    assert NO_TAGS[cell] in words
    assert "line 7" in words


SEA = b"image_name,tags\na,sea\n"
BOTH = ["sand", "sea"]
# The bytes of a table, words of the sentence, what the sentence says to do, and the tags of image a after that. What to
# do: the table as it should be, keys of section `archive`, or the command that is shown (None).
MISTAKES: list[tuple[bytes, str, bytes | TableForm | None, list[str]]] = [
    (b"", "received .", SEA, ["sea"]),
    (b"image_name,tags\n", "the table has none", SEA, ["sea"]),
    (b"image_name,tags\na,sea,sand\n", "Put quotes around", b'image_name,tags\na,"sea,sand"\n', BOTH),
    (b'image_name,tags\na,"sea\nb,sand\n', "cannot be read", b'image_name,tags\na,"sea"\nb,sand\n', ["sea"]),
    (b"image_name,tags,tags\na,sea,sand\n", "2 columns are called 'tags'", b"image_name,tags,x\na,sea,sand\n", ["sea"]),
    (b"tags,image_name\nsand\n", "line 2: expected 2 fields", b"tags,image_name\nsand,a\n", ["sand"]),
    (b"image_name,tags,labels\na,sea,sand\n", "archive.tags_column: tags", TableForm(tags_column="tags"), ["sea"]),
    (b"file,path,tags\na,a,sand\n", "archive.image_column: file", TableForm(image_column="file"), ["sand"]),
    (b"image_name,water,count\na,1,7\n", "archive.tags_column: count", TableForm(tags_column="count"), ["7"]),
    (b"image_name,water,count\na,1,7\n", "take it out of the table", b"image_name,water\na,1\n", ["water"]),
    (b"image_name,water,water\na,1,0\n", "give each its own name", b"image_name,water,sea\na,1,0\n", ["water"]),
    (b"image_name,water,Water\na,1,0\n", "give one another name", b"image_name,water,sea\na,1,0\n", ["water"]),
    (b"image_name,what\na,sea\n", "archive.tags_column: what", TableForm(tags_column="what"), ["sea"]),
    (b"image_name\na\n", "expected a column of tags", SEA, ["sea"]),
    (b"PK\x03\x04 a workbook", "save the sheet as CSV", SEA, ["sea"]),
    (b"PAR1 cut short", "expected CSV or Parquet", SEA, ["sea"]),
    (b"image_name,tags\na,\"['sea', sand]\"\n", "with ';' between them", b"image_name,tags\na,sea;sand\n", BOTH),
    (b"image_name,tags\na,sea|sand;sun\n", "in archive.tag_separator", TableForm("|"), ["sand;sun", "sea"]),
    (b"image_name,tags\na,'sea'\nb,'sand'\n", "quotes out of the table", b"image_name,tags\na,sea\nb,sand\n", ["sea"]),
    (b"image_name,tags\na,'sea'\nb,'sand'\n", "in brackets", b"image_name,tags\na,['sea']\nb,['sand']\n", ["sea"]),
    (b"image_name,sea,sand\na,1,\n", "write 0 or 1 in every row", b"image_name,sea,sand\na,1,0\n", ["sea"]),
    (b"# note\nimage_name,tags\na,sea\n", "expected the columns image_name and tags", SEA, ["sea"]),
    (b"image_name\ttags\na,sea\n", "with a tab between them", b"image_name\ttags\na\tsea\n", ["sea"]),
    (b"i\0m\0a\0g\0e\0", "iconv -f UTF-16LE", SEA, ["sea"]),
    (b"image_name,tags\na,\x93sea\x94\n", "iconv -f WINDOWS-1252", None, ["\u201csea\u201d"]),
]


@pytest.mark.parametrize(("content", "words", "remedy", "tags"), MISTAKES)
def test_a_mistake_is_one_sentence_and_what_it_says_to_do_works(
    content: bytes, words: str, remedy: bytes | TableForm | None, tags: list[str], tmp_path: Path
) -> None:
    archive, table = prepare(tmp_path, folders, {"a": []}), tmp_path / "table"
    table.write_bytes(content)
    said = say(TaggedImages(archive.root, table, PLANET_BAND_ORDER))
    assert words in said
    if isinstance(remedy, bytes):
        table.write_bytes(remedy)
    elif remedy is None:
        found = re.search(r"Run: (.*) and set archive\.labels_file to (.*)$", said)
        assert found
        subprocess.run(found[1], shell=True, check=True)  # noqa: S602
        (out,) = shlex.split(found[2])
        table = Path(out)
    form = remedy if isinstance(remedy, TableForm) else FOUND
    assert sorted(read(TaggedImages(archive.root, table, PLANET_BAND_ORDER, form))["a"]) == tags


# One tag with a mark in its name, or several with the mark between them -> the mark that would separate them.
UNCERTAIN = {
    b"image_name,tags\na,sea_sand\nb,sea\nc,sand\n": "'sea_sand' is one tag, or 'sea' and 'sand' are",
    b"image_name,tags\na,sea-sand sun\nb,sea\nc,sand sea\n": "write ' ' in the place of '-'",
    b'image_name,tags\na,"sea,sand"\nb,sand sea\nc,sea\n': "write ',' in the place of ' '",
    "image_name,tags\na,sea\uff0csand\n".encode(): "with '\uff0c' between them",
    b"image_name,tags\na,sea and sand\nb,sea\n": "with 'and' between them",
}


@pytest.mark.parametrize("content", UNCERTAIN)
def test_both_readings_of_an_uncertain_table_can_be_had_as_the_sentence_says(content: bytes, tmp_path: Path) -> None:
    archive, table = prepare(tmp_path, folders, {"a": [], "b": [], "c": []}), tmp_path / "table"
    table.write_bytes(content)
    said = say(TaggedImages(archive.root, table, PLANET_BAND_ORDER))
    assert UNCERTAIN[content] in said
    found = re.search(r"archive\.tag_separator: '(.)'; if not, write '(.)' in (?:its place|the place of '(.*)') ", said)
    assert found, said
    one = read(TaggedImages(archive.root, table, PLANET_BAND_ORDER, TableForm(found[1])))
    joint = found[3] or re.findall(r"several with '(.+?)' between", said)[0]
    header, *rows = csv.reader(table.read_text(encoding="utf-8").splitlines())
    with table.open(
        "w", encoding="utf-8", newline=""
    ) as stream:  # as a spreadsheet does, with quotes where they belong
        spelt = f" {joint} " if joint == "and" else joint
        csv.writer(stream).writerows([header, *([name, cell.replace(spelt, found[2])] for name, cell in rows)])
    several = read(TaggedImages(archive.root, table, PLANET_BAND_ORDER))
    assert sum(map(len, several.values())) > sum(map(len, one.values()))
    assert {"sea", "sand"} <= set(several["a"])


def test_a_named_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    archive = prepare(tmp_path, text(" ", form=TableForm(tags_column="tag")), PLAIN)
    assert "archive.tags_column names the column 'tag'; received image_name, tags" in say(archive)


def test_repeated_rows_are_counted_and_rows_without_image_are_left_out(tmp_path: Path) -> None:
    archive = prepare(tmp_path, READ["repeated rows"][0], PLAIN)
    (archive.root / "a.jpg").unlink()
    listing = archive.read_listing()
    assert listing.quirks["repeated-row"] == 2
    assert [(out.patch_id, out.reason) for out in listing.excluded] == [
        ("a", "table names it; the folder of the images does not hold it")
    ]
    assert listing.patches["patch_id"].to_pylist() == ["b", "c", "d", "e"]


def test_a_patch_keeps_its_name_in_a_part_of_the_archive(tmp_path: Path) -> None:
    truth = {"forest/1": ["forest"], "water/1": ["water"], "water/2": ["water", "forest"], "road/3": ["road"]}
    archive = prepare(tmp_path, text(";"), truth)
    assert list(read(archive)) == sorted(truth)
    (archive.root / "forest/1.jpg").unlink()
    assert list(read(archive)) == sorted(truth)[1:]


def test_a_name_without_folder_finds_its_image_in_any_folder(tmp_path: Path) -> None:
    archive = prepare(tmp_path, text(" "), PLAIN)
    (archive.root / "sub").mkdir()
    (archive.root / "a.jpg").rename(archive.root / "sub/a.jpg")
    assert read(archive) == {name: PLAIN[name] for name in PLAIN}
    make_images(archive.root, ["sub/b"])  # beside b.jpg: the name without folder is that of the root
    assert archive.read_listing().quirks["image-without-tags"] == 1
    make_images(archive.root, ["other/a"])
    (bad,) = archive.read_listing().quarantined
    assert (bad.patch_id, bad.reason) == ("a", "other/a.jpg and sub/a.jpg share one name; keep one")


@pytest.mark.parametrize("names", ["images/{}", "archive/images/{}.jpg"])
def test_names_that_begin_above_the_root_are_put_right_as_the_sentence_says(names: str, tmp_path: Path) -> None:
    truth = {names.format(name): tags for name, tags in PLAIN.items()}
    make_images(tmp_path / "archive/images", list(PLAIN))
    text(" ")(tmp_path / "table", truth)
    deep = tmp_path / "archive/images"
    found = re.search(r"set archive\.root to (.*)\.$", say(TaggedImages(deep, tmp_path / "table", PLANET_BAND_ORDER)))
    assert found
    assert read(TaggedImages(Path(found[1]), tmp_path / "table", PLANET_BAND_ORDER)) == PLAIN


def test_a_root_one_level_too_high_is_put_right_as_the_sentence_says(tmp_path: Path) -> None:
    for kind, (write, truth) in {"paths": READ["paths"], "folders": (folders, FOLDERS)}.items():
        archive = prepare(tmp_path / kind, write, truth)
        high = TaggedImages(archive.root.parent, archive.labels_file, PLANET_BAND_ORDER)
        found = re.search(r"[Ss]et archive\.root to ([^;]*?)[;.]", say(high))
        assert found
        assert Path(found[1]) == archive.root


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1", "2"], "lie in no folders"),
        (["images/1", "images/2"], "expected a folder per class"),
        (["train/1", "test/2"], "expected a folder per class"),
        (["train/forest/1", "train/water/2"], "Set archive.root to {root}/train;"),
        (["forest/1", "water/a/2"], "Move them into {root}/water;"),
        (["Forest/1", "forest/2"], "Write one spelling throughout"),
        (["none/1", "forest/2"], "give it another name"),
        (["S2A_MSIL2A_20170613T101031_87_48/S2A_MSIL2A_20170613T101031_87_48_B02"], "archive.layout to demo"),
    ],
)
def test_folders_that_are_no_classes_are_refused(names: list[str], words: str, tmp_path: Path) -> None:
    make_images(tmp_path, names)
    assert words.format(root=tmp_path) in say(TaggedImages(tmp_path, None, PLANET_BAND_ORDER))
