//! The configurations in a data set's README.md: the key `configs` of the YAML between two lines of `---`.

use serde::Deserialize;
use serde_json::Value;

/// One of `configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CardConfig {
    pub name: String,
    pub is_default: bool,
    /// The folder of all paths; empty for the root.
    pub data_dir: String,
    /// The patterns of each split.
    pub data_files: Option<Vec<(String, Vec<String>)>>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    configs: Option<Vec<Keys>>,
}

#[derive(Deserialize)]
struct Keys {
    config_name: Value,
    #[serde(default)]
    default: Option<bool>,
    #[serde(default)]
    data_dir: Option<String>,
    #[serde(default)]
    data_files: Option<Value>,
}

/// The configurations in a README.md; empty if it has none.
pub(super) fn configs(readme: &str) -> Result<Vec<CardConfig>, String> {
    let Some(yaml) = front_matter(readme) else { return Ok(Vec::new()) };
    if !yaml.lines().any(|line| line.starts_with("configs:")) {
        return Ok(Vec::new());
    }
    let metadata: Metadata = serde_saphyr::from_str(&yaml).map_err(|error| {
        let line = error.to_string().lines().next().unwrap_or_default().to_owned();
        format!("the metadata are not the expected YAML: {line}")
    })?;
    metadata.configs.unwrap_or_default().into_iter().map(config).collect()
}

fn front_matter(readme: &str) -> Option<String> {
    let mut lines = readme.strip_prefix('\u{feff}').unwrap_or(readme).lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let lines: Vec<&str> = lines.collect();
    let end = lines.iter().position(|line| line.trim_end() == "---")?;
    Some(lines[..end].join("\n"))
}

fn config(keys: Keys) -> Result<CardConfig, String> {
    let name = text(&keys.config_name).ok_or("a config_name is expected to be a text")?;
    let data_files = keys.data_files.as_ref().map(|value| data_files(value, &name)).transpose()?;
    let data_dir = keys.data_dir.unwrap_or_default().trim_matches('/').trim_start_matches("./").to_owned();
    Ok(CardConfig { name, is_default: keys.default.unwrap_or(false), data_dir, data_files })
}

/// `data_files`: a pattern, several, or a list of `{split, path}`.
fn data_files(value: &Value, config: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let wrong =
        || format!("data_files of the configuration {config:?}: a pattern, or a list of split and path, is expected");
    let splits = |items: &[Value]| {
        let split = |item: &Value| Some((text(item.get("split")?)?, patterns(item.get("path")?)?));
        items.iter().map(split).collect::<Option<Vec<_>>>()
    };
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => splits(items).ok_or_else(wrong),
        // Without a name it is the split that is trained on.
        other => Ok(vec![("train".to_owned(), patterns(other).ok_or_else(wrong)?)]),
    }
}

fn patterns(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        other => Some(vec![text(other)?]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The requested configuration, or the default one.
pub(super) fn choose(configs: Vec<CardConfig>, wanted: Option<&str>) -> Result<CardConfig, String> {
    let names: Vec<String> = configs.iter().map(|config| config.name.clone()).collect();
    let alone = configs.len() == 1;
    let is_meant = |config: &CardConfig| match wanted {
        Some(wanted) => config.name == wanted,
        None => alone || config.is_default || config.name == "default",
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    configs.into_iter().find(is_meant).ok_or_else(|| no_config(wanted, &names))
}

/// The message that a configuration must be named, or that there is none of that name.
pub(super) fn no_config(wanted: Option<&str>, names: &[&str]) -> String {
    let names = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => format!("there is no configuration {wanted:?}; there are: {names}"),
        None => format!("it has several configurations, and none is the default; name one of: {names}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "---\nlanguage:\n- en\ndataset_info:\n- config_name: triplet\n  features:\n  - name: query\n    dtype: string\n\
        configs:\n- config_name: triplet\n  data_files:\n  - split: train\n    path: triplet/train-*\n  - split: test\n    path:\n    \
        - triplet/test-*\n    - more/*\n- config_name: pair\n  default: true\n  data_dir: ./pair/\n- config_name: 2024\n  data_files: \
        \"*.csv\"\n- config_name: list\n  data_files: [a, b]\n---\n# Title\n---\nconfigs: none\n";

    fn files(splits: &[(&str, &[&str])]) -> Option<Vec<(String, Vec<String>)>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Some(splits.iter().map(|(split, paths)| ((*split).to_owned(), owned(paths))).collect())
    }

    #[test]
    fn every_form_of_data_files_is_read() {
        let configs = configs(README).unwrap();
        let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
        assert_eq!(names, ["triplet", "pair", "2024", "list"]);
        assert_eq!(
            configs[0].data_files,
            files(&[("train", &["triplet/train-*"]), ("test", &["triplet/test-*", "more/*"])])
        );
        assert_eq!(
            (configs[1].is_default, configs[1].data_dir.as_str(), &configs[1].data_files),
            (true, "pair", &None)
        );
        assert_eq!(configs[2].data_files, files(&[("train", &["*.csv"])]));
        assert_eq!(configs[3].data_files, files(&[("train", &["a", "b"])]));
    }

    #[test]
    fn a_readme_without_configurations_has_none() {
        for readme in [
            "",
            "# Title",
            "---\nlicense: mit\n---\n",
            "---\nlicense: mit",
            "text\n---\nconfigs:\n- config_name: a\n---\n",
        ] {
            assert_eq!(configs(readme).unwrap(), [], "{readme:?}");
        }
        // What else is in the metadata does not matter, even where it is no YAML.
        assert_eq!(configs("---\nlicense: [mit\n---\n").unwrap(), []);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for (yaml, message) in [
            ("configs: 3", "not the expected YAML"),
            ("configs:\n- data_files: a", "not the expected YAML"),
            ("configs:\n- config_name: [a]", "config_name is expected"),
            ("configs:\n- config_name: a\n  data_files: {train: a}", "data_files of the configuration \"a\""),
            ("configs:\n- config_name: a\n  data_files:\n  - split: train", "data_files of the configuration \"a\""),
        ] {
            let error = configs(&format!("---\n{yaml}\n---\n")).unwrap_err();
            assert!(error.contains(message) && !error.contains('\n'), "{yaml}: {error}");
        }
    }

    #[test]
    fn a_configuration_is_chosen_by_name_or_because_it_is_the_default() {
        let configs = configs(README).unwrap();
        let name = |configs: &[CardConfig], wanted| choose(configs.to_vec(), wanted).map(|config| config.name);
        assert_eq!(name(&configs, Some("2024")).unwrap(), "2024");
        assert_eq!(name(&configs, None).unwrap(), "pair");
        assert_eq!(name(&configs[..1], None).unwrap(), "triplet");
        assert_eq!(
            name(&[configs[0].clone(), configs[2].clone()], None).unwrap_err(),
            "it has several configurations, and none is the default; name one of: \"triplet\", \"2024\""
        );
        assert_eq!(
            name(&configs[..1], Some("x")).unwrap_err(),
            "there is no configuration \"x\"; there are: \"triplet\""
        );
    }
}
