//! The known word that a mistyped one stands for.

/// `; did you mean …?` if one letter of `word` is missing or added, or at most two neighbours are others; else nothing.
pub fn hint(word: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    match known.into_iter().find(|known| is_slip(word, known)) {
        Some(known) => format!("; did you mean `{known}`?"),
        None => String::new(),
    }
}

/// Whether the letters that both begin and end with are all but one of the longer word, or but two of words of one length.
fn is_slip(word: &str, known: &str) -> bool {
    let (shorter, longer) = match word.len() <= known.len() {
        true => (word.as_bytes(), known.as_bytes()),
        false => (known.as_bytes(), word.as_bytes()),
    };
    let begin = shorter.iter().zip(longer).take_while(|(a, b)| a == b).count();
    let ends = shorter.iter().rev().zip(longer.iter().rev()).take_while(|(a, b)| a == b).count();
    let equal = begin + ends.min(shorter.len().saturating_sub(begin));
    match longer.len() - shorter.len() {
        0 => equal + 2 >= longer.len(),
        1 => equal + 1 >= longer.len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn a_slip_is_one_letter_or_two_neighbours() {
        for slip in ["--jsn", "--jsonn", "--jspn", "--josn", "--sjon"] {
            assert!(is_slip(slip, "--json"), "{slip}");
        }
        for other in ["--js", "--help", "", "--jsonlines"] {
            assert!(!is_slip(other, "--json"), "{other}");
        }
    }
}
