//! The name that was probably meant, for messages about names that do not exist.

/// The known name at the smallest edit distance, if that is small for the name's length.
///
/// ```
/// use colburn_data::nearest;
///
/// assert_eq!(nearest("querry", &["query", "positive"]), Some("query"));
/// assert_eq!(nearest("documents", &["query", "positive"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|other| (strsim::damerau_levenshtein(name, other), *other));
    let (distance, near) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["learning_rate", "seed", "max_steps"];
        assert_eq!(nearest("learning_rat", &known), Some("learning_rate"));
        assert_eq!(nearest("leraning_rate", &known), Some("learning_rate"));
        assert_eq!(nearest("sed", &known), Some("seed"));
        assert_eq!(nearest("bf16", &known), None);
        assert_eq!(nearest("seed", &[]), None);
    }
}
