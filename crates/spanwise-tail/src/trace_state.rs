//! Members of the W3C `tracestate`, parsed as strictly as the Collector does.

/// The value of the member `key`; `None` if the header has no such member.
///
/// # Errors
/// Any member breaks the grammar or occurs twice, or there are more than 32: the Collector then ignores the whole header.
pub(crate) fn member<'h>(header: &'h str, key: &str) -> Result<Option<&'h str>, Malformed> {
    let mut keys = [""; MAX_MEMBERS];
    let mut found = None;
    let members = header.split(',').filter(|member| !member.is_empty());
    for (index, member) in members.enumerate() {
        let (name, value) = member.split_once('=').ok_or(Malformed)?;
        let name = name.trim_start_matches(BLANKS);
        let value = value.trim_end_matches(BLANKS);
        let known = keys.get(..index).ok_or(Malformed)?;
        if !is_key(name) || !is_value(value) || known.contains(&name) {
            return Err(Malformed);
        }
        *keys.get_mut(index).ok_or(Malformed)? = name;
        if name == key {
            found = Some(value);
        }
    }
    Ok(found)
}

/// A header is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// `simple-key` or `tenant@system`.
fn is_key(key: &str) -> bool {
    match key.split_once('@') {
        None => is_part(key, 256, |first| first.is_ascii_lowercase()),
        Some((tenant, system)) => {
            is_part(tenant, 241, |first| first.is_ascii_lowercase() || first.is_ascii_digit())
                && is_part(system, 14, |first| first.is_ascii_lowercase())
        }
    }
}

fn is_part(part: &str, max_bytes: usize, is_first: impl Fn(u8) -> bool) -> bool {
    let is_byte = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'_' | b'-' | b'*' | b'/')
    };
    part.len() <= max_bytes
        && part.bytes().next().is_some_and(is_first)
        && part.bytes().all(is_byte)
}

/// 1 to 256 printable characters but `,` and `=`. The end has no blank: it was cut off.
fn is_value(value: &str) -> bool {
    let is_byte = |byte: u8| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'=');
    (1..=256).contains(&value.len()) && value.bytes().all(is_byte)
}

const BLANKS: [char; 2] = [' ', '\t'];
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_malformed_member_spoils_the_header() {
        for (header, value) in [
            ("", None),
            ("vendor=a", Some("a")),
            ("other=1, vendor=a ", Some("a")),
            ("other=1,,vendor=a,", Some("a")),
            ("vendor= a b", Some(" a b")),
            ("1tenant@sys=1,vendor=a;b", Some("a;b")),
            ("other=1", None),
        ] {
            assert_eq!(member(header, "vendor"), Ok(value), "{header}");
        }
        for header in [
            "vendor=a,vendor=b",
            "vendor=a, ,other=1",
            "vendor =a",
            "vendor=a,UPPER=1",
            "vendor=a,novalue",
            "vendor=a,empty=",
            "vendor=a=b",
            "vendor=é",
            "vendor=a,@sys=1",
            "vendor=a,tenant@1=1",
            &format!("vendor={}", "x".repeat(257)),
            &format!("{}=1,vendor=a", "x".repeat(257)),
        ] {
            assert_eq!(member(header, "vendor"), Err(Malformed), "{header}");
        }
        let many =
            |count: usize| -> String { (0..count).map(|key| format!("k{key}=1,")).collect() };
        assert_eq!(member(&many(32), "k31"), Ok(Some("1")));
        assert_eq!(member(&many(33), "k31"), Err(Malformed));
    }
}
