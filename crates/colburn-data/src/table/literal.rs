//! A parser of lists in texts. Distillation sets often have `document_ids` and `scores` as texts, because CSV has no lists
//! and pandas writes them with Python's `repr`; PyLate reads them with `ast.literal_eval`. Python's and JSON's spelling are
//! both read: `[1, 2]`, `(0.5, -1e-3)`, `['a', "b"]`.

use std::borrow::Cow;

use crate::table::lists::{Item, List};

/// Parses a text that is a list. The error names the character and the expected one.
pub(crate) fn parse(text: &str) -> Result<List<'_>, String> {
    let mut reader = Reader { text, at: 0 };
    let items = reader.list().map_err(|expected| {
        let found = reader.rest().chars().next().map_or("the end of the text".to_owned(), |found| format!("'{found}'"));
        format!("{found} at character {}, expected {expected}", text[..reader.at].chars().count() + 1)
    })?;
    List::collect(items).map_err(str::to_owned)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn list(&mut self) -> Result<Vec<Item<'a>>, &'static str> {
        let end = match self.next_after_blanks() {
            Some('[') => ']',
            Some('(') => ')',
            _ => return Err("a list such as [1, 2] or ['a', 'b']"),
        };
        self.at += 1;
        let mut items = Vec::new();
        loop {
            if self.next_after_blanks() == Some(end) {
                break;
            }
            items.push(self.item()?);
            match self.next_after_blanks() {
                Some(',') => self.at += 1,
                found if found == Some(end) => {}
                _ => return Err(if end == ']' { "a comma or ]" } else { "a comma or )" }),
            }
        }
        self.at += 1;
        if self.next_after_blanks().is_none() { Ok(items) } else { Err("nothing after the list") }
    }

    fn item(&mut self) -> Result<Item<'a>, &'static str> {
        match self.rest().chars().next() {
            Some(quote @ ('\'' | '"')) => self.string(quote).map(Item::Text),
            Some('[' | '(' | '{') => Err("a number or a text"),
            _ => self.word(),
        }
    }

    /// A number, or a word for a number or for a missing value.
    fn word(&mut self) -> Result<Item<'a>, &'static str> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c)).unwrap_or(rest.len());
        let word = &rest[..length];
        let item = match (word, word.parse::<i64>(), word.parse::<f64>()) {
            ("None" | "null", ..) => Item::Null,
            (_, Ok(integer), _) => Item::Integer(integer),
            (_, _, Ok(float)) => Item::Float(float),
            _ => return Err("a number or a quoted text"),
        };
        self.at += length;
        Ok(item)
    }

    fn string(&mut self, quote: char) -> Result<Cow<'a, str>, &'static str> {
        self.at += 1;
        let rest = self.rest();
        let plain = rest.find([quote, '\\']).ok_or(UNCLOSED)?;
        if rest[plain..].starts_with(quote) {
            self.at += plain + 1;
            return Ok(Cow::Borrowed(&rest[..plain]));
        }
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find([quote, '\\']).ok_or(UNCLOSED)?;
            text.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain..].starts_with(quote) {
                return Ok(Cow::Owned(text));
            }
            text.extend(self.escape()?);
        }
    }

    /// The character of an escape whose backslash is read; `None` for a backslash at the end of a line.
    fn escape(&mut self) -> Result<Option<char>, &'static str> {
        let letter = self.rest().chars().next().ok_or(UNCLOSED)?;
        self.at += letter.len_utf8();
        Ok(Some(match letter {
            '\\' | '\'' | '"' | '/' => letter,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            '\n' => return Ok(None),
            'x' => character(self.hexadecimal(2)?)?,
            'U' => character(self.hexadecimal(8)?)?,
            'u' => {
                let first = self.hexadecimal(4)?;
                // JSON writes a character beyond the first 65,536 as two.
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let second = self.hexadecimal(4)?;
                    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(CHARACTER)?;
                    character(0x10000 + ((first - 0xd800) << 10) + low)?
                } else {
                    character(first)?
                }
            }
            _ => {
                self.at -= letter.len_utf8();
                return Err(ESCAPE);
            }
        }))
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<u32, &'static str> {
        let code = self.rest().get(..digits).filter(|code| code.chars().all(|c| c.is_ascii_hexdigit()));
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok()).ok_or(CHARACTER)?;
        self.at += digits;
        Ok(code)
    }

    fn next_after_blanks(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}

const UNCLOSED: &str = "a closing quote";
const ESCAPE: &str = "an escape such as \\n, \\' or \\u00e9";
const CHARACTER: &str = "the number of a character in hexadecimal digits";

fn character(code: u32) -> Result<char, &'static str> {
    char::from_u32(code).ok_or(CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> List<'static> {
        List::Texts(texts.iter().map(|text| Cow::Owned((*text).to_owned())).collect())
    }

    #[test]
    fn both_spellings_are_read() {
        // import ast, json
        // for text in cases: print(ast.literal_eval(text))
        for (text, expected) in [
            ("[1, 2]", List::Integers(vec![1, 2])),
            (" [ -1 ,\n+2, ] ", List::Integers(vec![-1, 2])),
            ("(9007199254740993, 9223372036854775807)", List::Integers(vec![9_007_199_254_740_993, i64::MAX])),
            ("[0.529121, 1, -1e-3, 1E2, .5, 2.]", List::Floats(vec![0.529121, 1.0, -0.001, 100.0, 0.5, 2.0])),
            ("[9223372036854775808]", List::Floats(vec![9_223_372_036_854_775_808.0])),
            ("[]", List::Integers(vec![])),
            ("()", List::Integers(vec![])),
            ("['a', \"b\"]", texts(&["a", "b"])),
            ("['it\\'s', \"it's\", 'a, b]', '']", texts(&["it's", "it's", "a, b]", ""])),
            ("['\\\\n\\n\\t', '\\xe9\\u00e9\\U0001f980 日本']", texts(&["\\n\n\t", "éé🦀 日本"])),
            ("[\"a\\/b\", \"\\ud83e\\udd80\"]", texts(&["a/b", "🦀"])),
            ("['1', '2']", texts(&["1", "2"])),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        assert!(matches!(parse("[nan, NaN, inf, -Infinity]").unwrap(), List::Floats(floats) if floats[0].is_nan()
            && floats[1].is_nan() && floats[2..] == [f64::INFINITY, f64::NEG_INFINITY]));
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let List::Texts(read) = parse("['plain', 'esc\\aped']").unwrap() else { panic!() };
        assert!(matches!(read[..], [Cow::Borrowed("plain"), Cow::Owned(_)]));
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for (text, expected) in [
            ("", "the end of the text at character 1, expected a list such as [1, 2]"),
            ("1, 2", "'1' at character 1, expected a list"),
            ("{1: 2}", "'{' at character 1"),
            ("[1, 2", "the end of the text at character 6, expected a comma or ]"),
            ("[1 2]", "'2' at character 4, expected a comma or ]"),
            ("(1]", "']' at character 3, expected a comma or )"),
            ("[1,,2]", "',' at character 4, expected a number or a quoted text"),
            ("[1] 2", "'2' at character 5, expected nothing after the list"),
            ("[é]", "'é' at character 2, expected a number or a quoted text"),
            ("[np.float64(0.5)]", "'n' at character 2, expected a number or a quoted text"),
            ("[[1], [2]]", "'[' at character 2, expected a number or a text"),
            ("['a]", "a closing quote"),
            ("['a\\", "a closing quote"),
            ("['é\\q']", "'q' at character 5, expected an escape such as"),
            ("['\\xg0']", "expected the number of a character"),
            ("['\\ud800']", "expected the number of a character"),
            ("['\\ud800\\u0041']", "expected the number of a character"),
            ("[1, None]", "a list with a null in it"),
            ("[1, null]", "a list with a null in it"),
            ("[1, 'a']", "a list of both numbers and texts"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
