//! Known names in messages, and the one that a slip stands for.

/// `; did you mean …?` with the name of `known` that `name` is a slip of, else nothing.
///
/// ```
/// assert_eq!(spanwise_config::hint("recievers", &["receivers", "admin"]), "; did you mean `receivers`?");
/// assert_eq!(spanwise_config::hint("logs", &["receivers", "admin"]), "");
/// ```
pub fn hint(name: &str, known: &[&str]) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// `a`, `b` or `c`.
pub fn listed(names: &[&str]) -> String {
    match names {
        [] => "no key".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// The known name nearest to `name`, if it is near enough to be a slip.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = plain(name);
    let distance = |known: &str| strsim::osa_distance(&name, &plain(known));
    let nearest = known.iter().copied().map(|known| (distance(known), known)).min()?;
    // A third of the letters, so that `size` is not taken for `rate`.
    let near = name.chars().count().max(3) / 3;
    (nearest.0 <= near).then_some(nearest.1)
}

/// `maxQueueSize`, `max-queue-size` and `max_queue_size` are the same slip away from each other.
fn plain(name: &str) -> String {
    let name = name.chars().filter(|letter| letter.is_alphanumeric()).take(MAX_LETTERS);
    name.flat_map(char::to_lowercase).collect()
}

/// Longer names are no slip, and their distance costs the square of their length.
const MAX_LETTERS: usize = 80;

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_find_their_name() {
        let known = ["max_queue_size", "schedule_delay", "exporter", "rate"];
        assert_eq!(nearest("max_queue_sze", &known), Some("max_queue_size"));
        assert_eq!(nearest("maxQueueSize", &known), Some("max_queue_size"));
        assert_eq!(nearest("scheduel-delay", &known), Some("schedule_delay"));
        assert_eq!(nearest("exporters", &known), Some("exporter"));
    }

    #[test]
    fn another_word_finds_none() {
        assert_eq!(nearest("size", &["rate", "limit"]), None);
        assert_eq!(nearest("", &["rate"]), None);
        assert_eq!(nearest("x", &[]), None);
        assert_eq!(nearest(&"long".repeat(100_000), &["rate"]), None);
    }
}
