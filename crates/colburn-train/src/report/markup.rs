//! Text within HTML: nothing that a name, a path or a value holds can become markup.

use std::fmt::{self, Display, Formatter, Write};

/// A text between tags, or within a quoted attribute.
pub(super) struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // A parse error in HTML, and nothing to see in any case.
                '\0' => {}
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn markup_becomes_text() {
        let hostile = "</script><img src=x onerror='alert(\"1\")'> & more\0";
        let expected = "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt; &amp; more";
        assert_eq!(Text(hostile).to_string(), expected);
        assert_eq!(Text("ünï → 漢字").to_string(), "ünï → 漢字");
    }
}
