//! The templates of the page. Whatever a name, a path or a value holds, minijinja escapes it, so that it cannot become markup.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::error::Result;

const TEMPLATES: [(&str, &str); 3] = [
    ("page.html", include_str!("page.html")),
    ("figure.html", include_str!("figure.html")),
    ("arguments.html", include_str!("arguments.html")),
];

/// A template with its values.
///
/// # Errors
/// When the template is not one, or names a value that there is not: a fault of this crate.
pub(super) fn render(name: &str, values: &impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    for (name, template) in TEMPLATES {
        environment.add_template(name, template)?;
    }
    let text = environment.get_template(name)?.render(Serde(values))?;
    // A NUL is an error in HTML, and invisible.
    Ok(text.replace('\0', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn markup_becomes_text() {
        let of = |text: &str| {
            let argument = json!({"key": text, "value": "", "default": "", "changed": false});
            render("arguments.html", &json!({"arguments": [argument]})).unwrap()
        };
        let hostile = "</script><img src=x onerror='alert(\"1\")'> & more\0";
        let expected = "&lt;&#x2f;script&gt;&lt;img src=x onerror=&#x27;alert(&quot;1&quot;)&#x27;&gt; &amp; more";
        assert!(of(hostile).contains(&format!("<code>{expected}</code>")), "{}", of(hostile));
        assert!(of("ünï → 漢字").contains("<code>ünï → 漢字</code>"));
    }
}
