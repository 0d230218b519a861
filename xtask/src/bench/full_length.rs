//! Rows whose documents fill their length: each text is repeated until it has one word for each token. A word is at least one token.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::setup::Setup;
use crate::process::repository;
use crate::result::Result;

/// Texts for a machine without Python. Parquet is read by Python only.
const SAMPLE: &str = "examples/data/texts.txt";

/// Writes rows whose documents have at least this number of tokens, and returns the file.
pub fn rows(setup: &Setup, tokens: usize, count: usize) -> Result<PathBuf> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let triplets = if setup.prepared.is_some() {
        parse(&read(&setup.folder.join("rows.jsonl"))?)?
    } else {
        from_texts(&read(&repository().join(SAMPLE))?)
    };
    if triplets.is_empty() {
        return Err("no rows to make full-length documents of".into());
    }
    let lines: Vec<String> = triplets.iter().cycle().take(count).map(|row| filled(row, tokens)).collect();
    let path = setup.folder.join(&format!("full-{tokens}.jsonl"));
    std::fs::write(&path, lines.join("\n") + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Query, positive and negative.
type Triplet = [String; 3];

fn parse(lines: &str) -> Result<Vec<Triplet>> {
    let row = |line: &str| {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("a row is no JSON: {error}"))?;
        Ok(["query", "positive", "negative"].map(|column| value[column].as_str().unwrap_or_default().to_owned()))
    };
    lines.lines().map(row).collect()
}

/// The columns hold a text, the next one, and the one after it.
fn from_texts(texts: &str) -> Vec<Triplet> {
    let texts: Vec<&str> = texts.lines().filter(|line| !line.trim().is_empty()).collect();
    let at = |index: usize| texts[index % texts.len()].to_owned();
    (0..texts.len()).map(|first| [at(first), at(first + 1), at(first + 2)]).collect()
}

fn filled([query, positive, negative]: &Triplet, tokens: usize) -> String {
    let fill = |text: &str| {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            words.push("text");
        }
        words.iter().copied().cycle().take(tokens).collect::<Vec<_>>().join(" ")
    };
    json!({ "query": query, "positive": fill(positive), "negative": fill(negative) }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_get_as_many_words_as_tokens() {
        let row = ["a question".to_owned(), "one two three".to_owned(), String::new()];
        let value: Value = serde_json::from_str(&filled(&row, 7)).unwrap();
        assert_eq!(value["query"], "a question");
        assert_eq!(value["positive"], "one two three one two three one");
        assert_eq!(value["negative"].as_str().unwrap().split(' ').count(), 7);
    }

    #[test]
    fn rows_come_from_json_or_from_texts() {
        let rows = parse("{\"query\":\"q\",\"positive\":\"p\",\"negative\":\"n\"}\n").unwrap();
        assert_eq!(rows, [["q", "p", "n"].map(str::to_owned)]);
        assert!(parse("no row\n").is_err());
        let texts = from_texts("a\n\nb\nc\n");
        assert_eq!(texts[2], ["c", "a", "b"].map(str::to_owned));
        assert!(from_texts("").is_empty());
    }
}
