//! The attributes `os.*`.

use super::detected::Detected;
use super::files::read_first;
use super::system;

pub(super) fn detect(detected: &mut Detected) {
    detected.add("os.type", os_type());
    match read_first(OS_RELEASE) {
        Ok(Some(release)) => {
            for (attribute, key) in FIELDS {
                detected.add_read(attribute, Ok(field(&release, key)));
            }
        }
        Ok(None) => detected.add_read("os.version", system::os_version()),
        Err(error) => detected.missing.push(("os.version", error.to_string())),
    }
}

/// The value that the semantic conventions list for this system.
fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" | "ios" => "darwin",
        "dragonfly" => "dragonflybsd",
        "illumos" => "solaris",
        other => other,
    }
}

/// The value of `key` in an `os-release` file: `KEY=value`, with or without shell quotes.
fn field(release: &str, key: &str) -> Option<String> {
    let lines = release.lines().map(str::trim);
    let mut pairs = lines.filter_map(|line| line.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == key)?;
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let Some(value) = quoted('"').or_else(|| quoted('\'')) else { return Some(value.to_owned()) };
    let mut characters = value.chars();
    let unescaped = std::iter::from_fn(|| match characters.next()? {
        '\\' => characters.next(),
        plain => Some(plain),
    });
    Some(unescaped.collect())
}

const OS_RELEASE: &[&str] = &["/etc/os-release", "/usr/lib/os-release"];
const FIELDS: [(&str, &str); 4] = [
    ("os.name", "NAME"),
    ("os.version", "VERSION_ID"),
    ("os.description", "PRETTY_NAME"),
    ("os.build_id", "BUILD_ID"),
];

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_of_os_release_are_unquoted() {
        let release = "# a comment\nNAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nID=debian\n\
                       PRETTY_NAME=\"the \\\"stable\\\" one\"\nHALF=\"\n";
        for (key, value) in [
            ("NAME", Some("Debian GNU/Linux")),
            ("VERSION_ID", Some("12")),
            ("ID", Some("debian")),
            ("PRETTY_NAME", Some("the \"stable\" one")),
            ("HALF", Some("\"")),
            ("BUILD_ID", None),
        ] {
            assert_eq!(field(release, key).as_deref(), value, "{key}");
        }
    }
}
