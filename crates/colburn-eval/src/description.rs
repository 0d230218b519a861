//! The name of an evaluator's type in words, so that one's own evaluator has a heading in a model card without saying so.

/// `colburn_eval::InformationRetrievalEvaluator` is `Information Retrieval` (`SentenceEvaluator.description` of sentence-transformers).
pub(crate) fn of(type_name: &str) -> String {
    let path = type_name.split('<').next().unwrap_or(type_name);
    let name = path.rsplit("::").next().unwrap_or(path);
    let name = name.strip_suffix("Evaluator").filter(|name| !name.is_empty()).unwrap_or(name);
    let mut words = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.push(c);
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_s_name_becomes_words() {
        let names = [
            "colburn_eval::triplet::TripletEvaluator",
            "a::InformationRetrievalEvaluator",
            "a::b::Mine<c::D>",
            "Evaluator",
        ];
        assert_eq!(names.map(of), ["Triplet", "Information Retrieval", "Mine", "Evaluator"]);
    }
}
