//! Sanitizing of untrusted text for one line of a log.

/// Sanitizes untrusted text to one line of at most `max_bytes` bytes, `…` for the rest included: line
/// breaks and tabs become spaces, and characters that move a terminal's cursor or reorder the line are
/// escaped.
///
/// For text of another process or of the user's code: a response, a panic's message, the value of a
/// setting. It removes no secrets: call [`redact_url`] first.
pub fn sanitize(text: &str, max_bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        let end = line.len();
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if is_deceptive(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
        if line.len() > max_bytes {
            line.truncate(end);
            while line.len() > max_bytes.saturating_sub(ELLIPSIS.len()) {
                line.pop();
            }
            if max_bytes >= ELLIPSIS.len() {
                line.push_str(ELLIPSIS);
            }
            break;
        }
    }
    line
}

/// `url` without what may be secret: its user info, query and fragment are `[redacted]`. It may be
/// malformed, and may have no scheme.
///
/// A password with a `/`, `?` or `#` in it makes a malformed URL and is still a secret: all text in
/// front of the last `@` is redacted, and the host too if the `@` follows a `?` or `#`. So is the text behind the
/// colon of a host without an `@` if it is longer than a port, and that behind a `=` in the place of a host. The result
/// may have control characters: [`sanitize`] escapes them.
///
/// ```
/// use spanwise_worker::redact_url;
///
/// assert_eq!(redact_url("http://me:secret@host:4318/v1?key=secret"), "http://[redacted]@host:4318/v1?[redacted]");
/// ```
pub fn redact_url(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        // A `://` may also stand in a password.
        Some((scheme, rest)) if is_scheme(scheme) => (format!("{scheme}://"), rest),
        _ => (String::new(), url),
    };
    // A key or a certificate in the place of a URL.
    if url.contains("-----") {
        return REDACTED.to_owned();
    }
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let path = match path.rsplit_once('@') {
        _ if query.contains('@') => REDACTED.to_owned(),
        Some((_, path)) => format!("{REDACTED}@{path}"),
        None => without_password(path),
    };
    match query.get(..1) {
        Some(mark) => format!("{scheme}{path}{mark}{REDACTED}"),
        None => format!("{scheme}{path}"),
    }
}

/// `path`, which has no `@`, without the text behind the colon of its host if that is no port: the `@` behind a
/// password may be missing by mistake.
fn without_password(path: &str) -> String {
    let host_end = path.strip_prefix('[').and_then(|rest| rest.find(']')).unwrap_or_default();
    let (authority, after) = path.split_at(path.find('/').unwrap_or(path.len()));
    // A list of headers in the place of a URL.
    if let Some((name, _)) = authority.split_once('=') {
        return format!("{name}={REDACTED}");
    }
    let colon = authority.get(host_end..).and_then(|rest| rest.find(':')).map(|at| host_end + at);
    let Some((host, port)) = colon.and_then(|at| authority.split_at_checked(at + 1)) else {
        return path.to_owned();
    };
    // A list of URLs has a comma or a space behind the port of the first one.
    let number = port.split([',', ' ']).next().unwrap_or_default();
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let is_ipv6 = port.contains(':')
        && port.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    match is_number || is_ipv6 || port.len() <= MAX_PORT_BYTES {
        true => path.to_owned(),
        false => format!("{host}{REDACTED}{after}"),
    }
}

/// Whether `value` is the text of a certificate or a key, which stands in the place of a path by mistake.
pub fn is_pem(value: &str) -> bool {
    // Without its frame it is base64, which no long path is: a path has a dot, a dash or a colon.
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let is_body = value.len() >= MIN_KEY_CHARS && value.chars().all(is_base64);
    value.contains("-----") || value.contains(['\n', '\r']) || value.starts_with("MII") || is_body
}

/// The scheme of a URL (RFC 3986, 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Control characters, line separators, zero-width and direction marks.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

const ELLIPSIS: &str = "…";
/// A typo of a port, such as `431e8`, is shown.
const MAX_PORT_BYTES: usize = 5;
const REDACTED: &str = "[redacted]";
/// Characters of the shortest private key in base64, less those of a generous cut.
const MIN_KEY_CHARS: usize = 40;
/// The maximum length of a description, a message or another line of untrusted text in a report, in
/// bytes.
pub const MAX_LINE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text_becomes_one_readable_line() {
        assert_eq!(sanitize("all is well: ö", 256), "all is well: ö");
        assert_eq!(sanitize("a\r\n\x1b[31mb\0", 256), "a  \\u{1b}[31mb\\u{0}");
        assert_eq!(sanitize("\u{202e}x\u{2028}", 256), "\\u{202e}x\\u{2028}");
        assert!(sanitize(&"x".repeat(10_000_000), 256).ends_with("x…"));
        assert_eq!(sanitize("abcdef", 5), "ab…");
    }

    #[test]
    fn user_info_query_and_fragment_of_a_url_are_redacted() {
        for (url, shown) in [
            ("http://h:1/p", "http://h:1/p"),
            ("h:1/p", "h:1/p"),
            ("", ""),
            ("http://u:s@h/p?k=s", "http://[redacted]@h/p?[redacted]"),
            ("http://h/p#s", "http://h/p#[redacted]"),
            ("http://h/?", "http://h/?[redacted]"),
            ("http://u:s/s@h", "http://[redacted]@h"),
            ("http://h/?key=a@s", "http://[redacted]?[redacted]"),
            ("http://u:s?s@h", "http://[redacted]?[redacted]"),
            ("u:s#s@h", "[redacted]#[redacted]"),
            ("u:s://s@h", "[redacted]@h"),
            ("http://u:s://s@h", "http://[redacted]@h"),
            // Without the `@`.
            ("http://u:secrets:4318/p", "http://u:[redacted]/p"),
            ("http://u:secrets", "http://u:[redacted]"),
            ("u:secrets/p?k=s", "u:[redacted]/p?[redacted]"),
            ("http://[::1]:secrets", "http://[::1]:[redacted]"),
            ("http://[::1]:4318/p", "http://[::1]:4318/p"),
            ("http://fe80::1:4318/p", "http://fe80::1:4318/p"),
            ("http://h:431e8/p", "http://h:431e8/p"),
            ("http://h:4318431843184318", "http://h:4318431843184318"),
            ("unix:/run/otel.sock", "unix:/run/otel.sock"),
            ("http://a:4318,http://b:4318", "http://a:4318,http://b:4318"),
            ("http://a:4318 http://b:4318", "http://a:4318 http://b:4318"),
            ("api-key=secret,b=/secret", "api-key=[redacted]"),
            ("http://h/a=b", "http://h/a=b"),
            ("-----BEGIN PRIVATE KEY----- secret", "[redacted]"),
            ("http://[", "http://["),
        ] {
            assert_eq!(redact_url(url), shown, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_secret_is_shown(
            (before, between, after) in ("[a-z:/?#@]{0,6}", "[a-z:/?#@]{0,6}", "[a-z:/.]{0,6}"),
            user: bool,
        ) {
            let url = match user {
                true => format!("http://{before}SECRET{between}@{after}"),
                false => format!("http://{after}?{before}SECRET{between}"),
            };
            prop_assert!(!redact_url(&url).contains("SECRET"), "{}", url);
        }

        #[test]
        fn never_long_never_controlling(raw in any::<String>(), times in 1_usize..200) {
            let line = sanitize(&raw.repeat(times), 256);
            prop_assert!(line.len() <= 256);
            prop_assert!(!line.chars().any(is_deceptive));
        }
    }
}
