//! Text as Markdown. The texts of data, paths and settings in a card are not trusted: they must not break a table or become a heading, a link
//! or HTML of the page.

use std::{iter::Peekable, str::Chars};

/// The characters with a meaning in Markdown, HTML, or the mathematics of the hub's pages.
const ACTIVE: &str = "&<>\\`*_[]|~$";

/// The largest number of characters of a sample; longer ones are cut.
const LONGEST: usize = 1000;

/// A text that is shown as it is anywhere in Markdown or HTML. Characters with a meaning become numeric entities, line breaks become spaces,
/// and characters that cannot be printed become U+FFFD.
///
/// ```
/// use colburn_model::card::markdown::escape;
///
/// assert_eq!(escape("a|b <i>\nc"), "a&#124;b &#60;i&#62; c");
/// ```
pub fn escape(text: &str) -> String {
    escape_with(text, " ")
}

/// A table cell with a text, in PyLate's form for samples: a very long text is cut, line breaks are kept.
pub fn cell(text: &str) -> String {
    let shown: String = text.chars().take(LONGEST).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    format!("<code>{}{more}</code>", escape_with(&shown, "<br>"))
}

fn escape_with(text: &str, line_break: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let within = before.is_alphanumeric() && characters.peek().is_some_and(|after| after.is_alphanumeric());
        before = c;
        let www = c == '.'
            && escaped.len() >= 3
            && escaped.is_char_boundary(escaped.len() - 3)
            && escaped[escaped.len() - 3..].eq_ignore_ascii_case("www");
        match c {
            // Between letters an underscore has no meaning, and most names have some.
            '_' if within => escaped.push(c),
            // Markdown would turn addresses into links.
            ':' if text_after(&characters, "//") => escaped.push_str("&#58;"),
            '.' if www => escaped.push_str("&#46;"),
            '@' if characters.peek().is_some_and(|after| after.is_alphabetic()) => escaped.push_str("&#64;"),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => escaped.push_str(line_break),
            '\t' => escaped.push(' '),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c if ACTIVE.contains(c) => escaped.push_str(&format!("&#{};", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

/// True if the rest of a text begins with `beginning`.
fn text_after(rest: &Peekable<Chars<'_>>, beginning: &str) -> bool {
    rest.clone().zip(beginning.chars()).filter(|(a, b)| a == b).count() == beginning.len()
}

/// A block of code with a fence of more backticks than the code has in a row.
pub fn fenced(language: &str, code: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in code.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{}\n{fence}\n", code.trim_end_matches('\n'))
}

/// A table of cells that are Markdown already. A short row is filled with empty cells.
pub fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<&str> = cells.take(header.len()).collect();
        let missing = std::iter::repeat_n("", header.len() - cells.len());
        let cells: Vec<&str> = cells.iter().copied().chain(missing).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&mut header.iter().map(String::as_str));
    text.push_str(&line(&mut header.iter().map(|_| ":---")));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A block indented by two characters, so that it belongs to the list item above it.
pub fn indented(block: &str) -> String {
    block.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markdown() {
        let hostile =
            "# a | `b` **c** <script>x</script> [d](e) \\| $x$ ~~f~~ &amp; _g_\r\n---\u{0}\u{1b}[31m\u{2028}h";
        let escaped = escape(hostile);
        for c in ["<", ">", "|", "`", "*", "_", "[", "]", "\\", "$", "~", "\n", "\r", "\u{0}", "\u{1b}", "\u{2028}"] {
            assert!(!escaped.contains(c), "{c:?} in {escaped}");
        }
        // A reader sees the text itself.
        let mut seen = escaped;
        for c in ACTIVE.chars() {
            seen = seen.replace(&format!("&#{};", u32::from(c)), &c.to_string());
        }
        let expected = "# a | `b` **c** <script>x</script> [d](e) \\| $x$ ~~f~~ &amp; _g_ ---\u{fffd}\u{fffd}[31m h";
        assert_eq!(seen, expected);
        assert_eq!(escape("a_b __c__ _d e_ _ 1_2"), "a_b &#95;&#95;c&#95;&#95; &#95;d e&#95; &#95; 1_2");
    }

    #[test]
    fn addresses_are_not_links() {
        let text = "see https://a.b, www.a.b or a@b.c; ndcg@10 is 1: good // www";
        let expected = "see https&#58;//a.b, www&#46;a.b or a&#64;b.c; ndcg@10 is 1: good // www";
        assert_eq!(escape(text), expected);
    }

    #[test]
    fn a_cell_is_one_line_and_not_too_long() {
        assert_eq!(cell("a\r\nb\nc"), "<code>a<br>b<br>c</code>");
        assert_eq!(cell(&"é".repeat(LONGEST)), format!("<code>{}</code>", "é".repeat(LONGEST)));
        assert_eq!(cell(&"é".repeat(LONGEST + 1)), format!("<code>{}...</code>", "é".repeat(LONGEST)));
        assert_eq!(cell(""), "<code></code>");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fenced("json", "{}\n"), "```json\n{}\n```\n");
        assert_eq!(fenced("", "a ```` b ``` c"), "`````\na ```` b ``` c\n`````\n");
    }

    #[test]
    fn tables_are_whole() {
        let [a, b, c] = ["a", "b", "c"].map(String::from);
        let rows = [vec![a.clone(), b.clone()], vec![c.clone()], vec![a.clone(), b.clone(), c]];
        assert_eq!(table(&[a, b], &rows), "| a | b |\n| :--- | :--- |\n| a | b |\n| c |  |\n| a | b |\n");
        assert_eq!(indented("x\n\ny\n"), "  x\n\n  y\n");
    }

    #[test]
    fn a_list_reads_as_one() {
        let items = |count: usize| ["a", "b", "c"][..count].iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!([0, 1, 2, 3].map(|count| listed(&items(count))), ["", "a", "a and b", "a, b and c"]);
    }
}
