//! A Rust source, split into code and comments line by line. A rule is about one or the other: a doc comment may say
//! "encoder" in a crate whose code must not, and a string may hold `//`.

/// A line of a source file.
#[derive(Debug, Default, PartialEq)]
pub struct Line {
    /// The code, with the content of strings left out.
    pub code: String,
    /// The comment, with its markers.
    pub comment: String,
}

enum State {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

/// Splits a source into its lines.
pub fn lines(source: &str) -> Vec<Line> {
    let characters: Vec<char> = source.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut index = 0;
    while index < characters.len() {
        let (character, next) = (characters[index], at(index + 1));
        index += 1;
        if character == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            lines.push(Line::default());
            continue;
        }
        let Some(line) = lines.last_mut() else { break };
        match &mut state {
            State::LineComment => line.comment.push(character),
            State::BlockComment(depth) => {
                line.comment.push(character);
                match (character, next) {
                    ('*', '/') => *depth -= 1,
                    ('/', '*') => *depth += 1,
                    _ => continue,
                }
                line.comment.push(next);
                index += 1;
                if *depth == 0 {
                    state = State::Code;
                }
            }
            State::Text => match character {
                // A backslash at a line's end must leave the line's end for the split above.
                '\\' if next != '\n' => index += 1,
                '"' => {
                    line.code.push('"');
                    state = State::Code;
                }
                _ => {}
            },
            State::RawText(hashes) => {
                if character == '"' && (0..*hashes).all(|offset| at(index + offset) == '#') {
                    index += *hashes;
                    line.code.push('"');
                    state = State::Code;
                }
            }
            State::Code => match (character, next) {
                ('/', '/') => {
                    line.comment.push(character);
                    state = State::LineComment;
                }
                ('/', '*') => {
                    line.comment.push_str("/*");
                    index += 1;
                    state = State::BlockComment(1);
                }
                ('"', _) => {
                    line.code.push('"');
                    state = State::Text;
                }
                ('r', '"' | '#') if !line.code.ends_with(is_word) || line.code.ends_with('b') => {
                    let hashes = (index..).take_while(|&position| at(position) == '#').count();
                    // `r#type` is a name, not a string.
                    if at(index + hashes) == '"' {
                        line.code.push('"');
                        index += hashes + 1;
                        state = State::RawText(hashes);
                    } else {
                        line.code.push(character);
                    }
                }
                // A character, in contrast to a lifetime, closes after one character or an escape.
                ('\'', '\\') => {
                    index += 2;
                    while at(index) != '\'' && index < characters.len() {
                        index += 1;
                    }
                    index += 1;
                    line.code.push_str("' '");
                }
                ('\'', _) if at(index + 1) == '\'' => {
                    index += 2;
                    line.code.push_str("' '");
                }
                _ => line.code.push(character),
            },
        }
    }
    lines
}

/// True if a word occurs in code as a word of its own.
pub fn has_word(code: &str, word: &str) -> bool {
    word_positions(code, word).next().is_some()
}

/// The positions at which a word occurs as a word of its own.
pub fn word_positions<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let (before, after) = (code[..at].chars().next_back(), code[at + word.len()..].chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::{has_word, lines};

    fn code(source: &str) -> Vec<String> {
        lines(source).into_iter().map(|line| line.code.trim().to_owned()).collect()
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        let source = "let a = \"// no comment\"; // unsafe\n/* todo!() /* nested */ still */ let b = r#\"dbg!(\"x\")\"#;\nlet c = \"over \\\n dbg!()\";";
        assert_eq!(code(source), ["let a = \"\";", "let b = \"\";", "let c = \"", "\";"]);
        let split = lines(source);
        assert_eq!(split[0].comment, "// unsafe");
        assert!(split[1].comment.contains("nested"));
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(code("fn f<'a>(x: &'a str) -> char { '\"' }"), ["fn f<'a>(x: &'a str) -> char { ' ' }"]);
        assert_eq!(code("let q = ['\\'', '\\u{1F600}', '/']; // x"), ["let q = [' ', ' ', ' '];"]);
        assert_eq!(code("let r#type = br\"//\";"), ["let r#type = b\"\";"]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe { x }", "unsafe") && has_word("a::optim::b", "optim"));
        assert!(!has_word("unsafe_op_in_unsafe_fn", "unsafe") && !has_word("optimal", "optim"));
    }
}
