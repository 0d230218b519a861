//! Texts and numbers as people read them: nothing in them can move the cursor or hide.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text in one line: control characters, and those that change the direction of writing or are not seen, are escaped.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            shown.push(character);
        } else {
            // Writing to a text cannot fail.
            let _ = write!(shown, "{}", character.escape_debug());
        }
    }
    shown
}

fn is_plain(character: char) -> bool {
    let hidden = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !character.is_control() && !hidden
}

/// A text of at most this many cells of a terminal. What is left out at the end is an ellipsis.
pub fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (start, _) = split_at_width(text, width.saturating_sub(1));
    format!("{start}…")
}

/// The part of a text that fits into so many cells, and the rest.
pub fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += character.width().unwrap_or(0);
        taken > width
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

/// Lines of at most `width` cells, broken between words. A word that is longer than a line is broken.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        let mut rest = word;
        while rest.width() > width {
            let (start, after) = split_at_width(rest, width);
            // A character that is wider than a line takes one.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let (start, after) = if start.is_empty() { rest.split_at(first) } else { (start, after) };
            lines.push(start.to_owned());
            rest = after;
        }
        line.push_str(rest);
    }
    lines.push(line);
    lines
}

/// At most `most` lines; the last one ends in an ellipsis if there are more.
pub fn first_lines(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = wrapped(text, width);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            let cut = shortened(last, width.saturating_sub(2));
            *last = if cut.ends_with('…') { cut } else { format!("{cut} …") };
        }
    }
    lines
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number of things: "1 row", "2 rows".
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A share in percent. Only nothing is 0 %, and only all is 100 %.
pub fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    match share {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        share if share < 0.1 => "< 0.1 %".to_owned(),
        share if share > 99.9 => "> 99.9 %".to_owned(),
        share => format!("{share:.1} %"),
    }
}

/// A size of a file.
pub fn bytes(size: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = size as f64;
    let mut unit = "bytes";
    for next in units {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "bytes" { format!("{size} bytes") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        for (text, expected) in [
            ("plain é 🦀 日本", "plain é 🦀 日本"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{202e}gpj.exe\u{feff}\u{9b}", "\\u{202e}gpj.exe\\u{feff}\\u{9b}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("late interaction of tokens", 11), ["late", "interaction", "of tokens"]);
        assert_eq!(wrapped("日本語の文 書", 4), ["日本", "語の", "文", "書"]);
        assert_eq!(wrapped("abcdefg hi", 3), ["abc", "def", "g", "hi"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("日", 1), ["日", ""]);
        assert_eq!(first_lines("late interaction of tokens", 11, 2), ["late", "interact…"].map(String::from));
        assert_eq!(first_lines("one two three", 5, 1), ["one …"]);
        assert_eq!(first_lines("one", 5, 1), ["one"]);
        assert_eq!(shortened("日本語", 5), "日本…");
        assert_eq!(shortened("日本", 4), "日本");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (50_000_000, "50,000,000")] {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!([counted(1, "row"), counted(2, "row")], ["1 row", "2 rows"]);
        for ((part, whole), expected) in [
            ((0, 0), "0 %"),
            ((1, 3), "33.3 %"),
            ((1, 100_000), "< 0.1 %"),
            ((99_999, 100_000), "> 99.9 %"),
            ((3, 3), "100 %"),
        ] {
            assert_eq!(percent(part, whole), expected);
        }
        for (size, expected) in
            [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (999_999, "1.0 MB"), (2_340_000_000, "2.3 GB")]
        {
            assert_eq!(bytes(size), expected);
        }
    }
}
