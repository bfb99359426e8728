//! "did you mean": what somebody may have meant who wrote a word that nobody knows.

/// The known word that is closest to `given`, if one is close enough to be meant.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len().min(given.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Words in quotes, with commas between them.
pub(crate) fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// What to say of a word that is none of `known`.
pub(crate) fn unknown(given: &str, known: &[&str]) -> String {
    match nearest(given, known.iter().copied()) {
        Some(word) => format!("unknown key `{given}`, did you mean `{word}`?"),
        None => format!("unknown key `{given}`, known are {}", quoted(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_close_to_a_known_one_is_taken_for_it() {
        let known = ["when", "on_retry", "on_give_up"];
        assert_eq!(nearest("on_rerty", known), Some("on_retry"));
        assert_eq!(nearest("wen", known), Some("when"));
        assert_eq!(nearest("onretry", known), Some("on_retry"));
    }

    #[test]
    fn a_word_far_from_all_is_taken_for_none() {
        assert_eq!(nearest("attempts", ["when", "on_retry"]), None);
        assert_eq!(nearest("x", ["when", "on_retry"]), None);
    }
}
