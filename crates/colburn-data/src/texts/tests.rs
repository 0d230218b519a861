//! The columns by their names, their values, and what is wrong with them.

use std::fs;
use std::path::Path;

use super::*;

type Row = (Option<String>, Option<String>, String);

fn read_with(name: &str, content: &str, columns: &TextColumns) -> std::result::Result<Vec<Row>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    rows(&Source::new(&path), columns)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn rows(source: &Source, columns: &TextColumns) -> Result<Vec<Row>> {
    Texts::open_with(source, columns)?
        .map(|record| record.map(|record| (record.id, record.title, record.text)))
        .collect()
}

fn read(name: &str, content: &str) -> std::result::Result<Vec<Row>, String> {
    read_with(name, content, &TextColumns::default())
}

/// A row in short: no title or no id is an empty text.
fn row(id: &str, title: &str, text: &str) -> Row {
    let some = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
    (some(id), some(title), text.to_owned())
}

#[test]
fn columns_are_known_by_their_names() {
    for (header, values, expected) in [
        ("_id,title,text", "a,T,x", row("a", "T", "x")),
        ("text,id", "x,7", row("7", "", "x")),
        ("docid,contents", "7,x", row("7", "", "x")),
        ("pid,passage", "0007,x", row("0007", "", "x")),
        ("qid,query", "q1,2004", row("q1", "", "2004")),
        ("query-id,question", "q1,x", row("q1", "", "x")),
        ("document_id,document,url", "d,x,http", row("d", "", "x")),
        // The plain names go first.
        ("qid,_id,query,text", "q,a,y,x", row("a", "", "x")),
        ("id,_id,contents,text", "b,a,y,x", row("a", "", "x")),
        ("text", "x", row("", "", "x")),
    ] {
        assert_eq!(read("a.csv", &format!("{header}\n{values}\n")), Ok(vec![expected]), "{header}");
    }
}

#[test]
fn titles_and_ids_may_be_missing_in_some_rows() {
    let lines = r#"{"_id": "a", "title": null, "text": "one"}
{"_id": "b", "text": "two"}
{"_id": null, "title": "", "text": ""}
{"id": 4, "title": "T", "text": "four", "metadata": {"url": 1}}
{"text": "five", "qid": 5}
"#;
    let expected =
        [row("a", "", "one"), row("b", "", "two"), row("", "", ""), row("4", "T", "four"), row("5", "", "five")];
    assert_eq!(read("a.jsonl", lines), Ok(expected.to_vec()));
}

#[test]
fn ids_are_texts_and_whole_numbers() {
    let ids = |values: &str| {
        let lines: String = values.split(' ').map(|id| format!("{{\"_id\": {id}, \"text\": \"\"}}\n")).collect();
        let rows = read("a.jsonl", &lines)?;
        Ok::<_, String>(rows.into_iter().map(|(id, ..)| id.unwrap()).collect::<Vec<_>>())
    };
    let found = ids("0.0 3 \"3.0\" 9007199254740993 \"0007\" -2.0").unwrap();
    assert_eq!(found, ["0", "3", "3.0", "9007199254740993", "0007", "-2"]);
    let message = "a.jsonl:2: column \"_id\" holds the number 1.5; an id is a text or a whole number";
    assert_eq!(ids("1 1.5"), Err(message.to_owned()));
    assert!(ids("[1]").unwrap_err().starts_with("a.jsonl:1: column \"_id\" holds a list; an id is"));
}

#[test]
fn columns_may_be_named() {
    let table = "key,other,answer,text\nk,o,x,y\n";
    let named = |ids: &[&str], texts: &[&str]| {
        let columns = TextColumns::default().with_ids(ids.iter().copied()).with_texts(texts.iter().copied());
        read_with("a.csv", table, &columns)
    };
    assert_eq!(named(&["key"], &["answer"]), Ok(vec![row("k", "", "x")]));
    assert_eq!(named(&[], &["question", "answer"]), Ok(vec![row("", "", "x")]), "the first that there is");
    assert_eq!(named(&["other", "key"], &[]), Ok(vec![row("o", "", "y")]));
    assert_eq!(
        named(&["keys", "id"], &[]),
        Err("a.csv:2: no column \"keys\" or \"id\" for the id; found: \"key\", \"other\", \"answer\", \"text\""
            .to_owned())
    );
    assert!(named(&[], &["texts"]).unwrap_err().starts_with("a.csv:2: no column \"texts\" for the text; found: "));
    // The title of a row is not joined to itself.
    let titles = TextColumns::default().with_texts(["title"]);
    assert_eq!(read_with("a.csv", "id,title\n1,T\n", &titles), Ok(vec![row("1", "", "T")]));
}

#[test]
fn a_text_has_to_be_there_and_a_doubt_is_an_error() {
    for (name, content, expected) in [
        (
            "a.jsonl",
            "{\"txt\": \"one\"}\n",
            "a.jsonl:1: no column with a text; found: \"txt\"; expected: \"text\", or the column's name given",
        ),
        ("a.jsonl", "{\"text\": 1}\n", "a.jsonl:1: column \"text\" holds the number 1; a text is expected"),
        (
            "a.jsonl",
            "{\"text\": \"a\"}\n{\"id\": 1}\n",
            "a.jsonl:2: column \"text\" is null or missing; a text is expected in every row",
        ),
        (
            "a.jsonl",
            "{\"text\": \"a\"}\n{\"text\": null, \"query\": \"b\"}\n",
            "a.jsonl:2: column \"text\" is null or missing; a text is expected in every row",
        ),
        (
            "a.jsonl",
            "{\"text\": \"\", \"title\": 5}\n",
            "a.jsonl:1: column \"title\" holds the number 5; a text is expected",
        ),
        (
            "a.csv",
            "query,passage\na,b\n",
            "a.csv:2: several columns could be the text: \"passage\", \"query\"; give the name of one",
        ),
        (
            "a.csv",
            "qid,pid,text\n1,2,x\n",
            "a.csv:2: several columns could be the id: \"pid\", \"qid\"; give the name of one",
        ),
    ] {
        assert_eq!(read(name, content), Err(expected.to_owned()), "{content}");
    }
}

#[test]
fn lines_are_texts_as_they_stand() {
    let lines = " one \r\n\n\"three\n";
    assert_eq!(read("a.txt", lines), Ok(vec![row("", "", " one "), row("", "", ""), row("", "", "\"three")]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.csv");
    fs::write(&path, "a,b\n").unwrap();
    let source = Source::new(Path::new(&path)).with_format(Format::Text);
    assert_eq!(rows(&source, &TextColumns::default()).unwrap(), [row("", "", "a,b")]);
}

#[test]
fn tables_have_the_same_columns() {
    let of = |names: &[&str]| {
        let row = names.iter().map(|name| (*name).to_owned()).collect();
        let data = crate::Dataset::from_rows(names, [row]).unwrap();
        TextColumns::default()
            .of_table(&data)
            .map(|found| (found.id, found.text, found.title))
            .map_err(|e| e.to_string())
    };
    assert_eq!(of(&["title", "_id", "text"]), Ok((Some(1), 2, Some(0))));
    assert_eq!(of(&["query", "qid"]), Ok((Some(1), 0, None)));
    assert_eq!(of(&["contents", "id", "docid"]), Ok((Some(1), 0, None)));
    assert_eq!(of(&["text"]), Ok((None, 0, None)));
    let message = of(&["id", "txt"]).unwrap_err();
    assert_eq!(
        message,
        "rows in memory: 1 rows; id (text), txt (text): no column with a text; found: \"id\", \"txt\"; expected: \"text\", or the column's name given"
    );
    assert!(of(&["text", "qid", "pid"]).unwrap_err().contains("several columns could be the id: \"pid\", \"qid\""));
}

#[test]
fn texts_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "_id,text\na,one\nb,two\n").unwrap();
    let mut texts = Texts::open(&Source::new(&path)).unwrap();
    assert_eq!((texts.by_ref().count(), texts.are_lines()), (2, false));
    let again: Vec<String> = texts.again().unwrap().map(|record| record.unwrap().text).collect();
    assert_eq!(again, ["one", "two"]);
    let lines = folder.path().join("a.txt");
    fs::write(&lines, "one\n").unwrap();
    assert!(Texts::open(&Source::new(&lines)).unwrap().are_lines());
    assert!(Texts::open(&Source::new(&path).with_format(Format::Text)).unwrap().are_lines());
}

#[test]
fn a_record_is_its_title_and_its_text() {
    let place = Place::Memory { row: 0 };
    let record = |title: Option<&str>, text: &str| {
        let record =
            TextRecord { id: None, title: title.map(str::to_owned), text: text.to_owned(), place: place.clone() };
        record.joined()
    };
    assert_eq!(record(Some(" Bread"), "is baked\u{1f}"), "Bread is baked");
    assert_eq!((record(Some("T"), ""), record(None, " x ")), ("T".to_owned(), "x".to_owned()));
}
