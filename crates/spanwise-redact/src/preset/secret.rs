//! Credentials of all kinds.

use crate::rewrite::Masking;
use crate::rule::{Action, Rule};

/// Attributes named after a secret, and values that have the form of one.
pub(super) fn rules() -> Vec<Rule> {
    let keys = Rule::new(Action::Mask).with_name("secret_key").with_keys_of_any_case(KEYS);
    let rest = FORMS.iter().map(|(name, pattern)| {
        Rule::new(Action::Mask).with_name(*name).with_value_pattern(*pattern)
    });
    let assigned = Rule::new(Action::Mask)
        .with_name("secret_assigned")
        .with_replacement(ASSIGNED, mask_assigned);
    [keys].into_iter().chain(rest).chain([assigned]).collect()
}

/// Keys of secrets, in lower case: `DB_PASSWORD`, `X-Api-Key` and `apiKey` match too.
const KEYS: &[&str] = &[
    "*authorization",
    "*authorization.*",
    "*cookie",
    "*cookie.*",
    "*password",
    "*password.*",
    "*passwd*",
    "*passphrase*",
    "*secret",
    "*secret.*",
    "*secret_*",
    "*client_secret*",
    "*credential*",
    "*api_key*",
    "*api-key*",
    "*apikey*",
    "*private_key*",
    "*private-key*",
    "*privatekey*",
    "*access_key*",
    "*access-key*",
    "*accesskey*",
    "*access_token*",
    "*accesstoken*",
    "*refresh_token*",
    "*refreshtoken*",
    "*id_token*",
    "*idtoken*",
    "*auth_token*",
    "*auth-token*",
    "*authtoken*",
    "*csrf*",
    "*xsrf*",
    "*.token",
    "*-token",
    "token",
    "*session_token*",
    "*sessiontoken*",
    "*x-amz-security-token*",
];

/// Forms of secrets.
const FORMS: &[(&str, &str)] = &[
    ("authorization_scheme", r"(?i)\b(?:bearer|basic|digest|negotiate)\s+[a-z0-9._~+/=:-]{8,}"),
    (
        "json_web_token",
        r"(?:\b|_)eyJ[A-Za-z0-9_-]{6,}\.{1,2}[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*",
    ),
    (
        "service_key",
        concat!(
            r"(?:\b|_)(?:(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}",
            r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}",
            r"|(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}|(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
            r"|sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{30,}|GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{16,}",
            r"|npm_[A-Za-z0-9]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{40,})",
        ),
    ),
    (
        "private_key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z0-9 ]*PRIVATE KEY-----)?",
    ),
];

/// A secret that the text names: `password=hunter2`, `"api_key": "x"`, also in JSON inside of a string, `--password hunter2`; a header.
const ASSIGNED: &str = concat!(
    r#"(?i)(?:(?:(?:api|access|account|private)[_-]?key|secret|password|passwd|passphrase|pwd|token)"#,
    r#"(?:\\*["']?\s*(?:=>|[=:])\s*"#,
    r#"(?:\\+["'](?:[^"'\\]|\\+[^"'\\])+|"(?:[^"\\]|(?s:\\.))+|'(?:[^'\\]|(?s:\\.))+|[^\s"'&,;}]{3,}))"#,
    r#"|--(?:[a-z]+-)*(?:password|passwd|secret|token|key)\s+["']?[^\s"'-][^\s"']{2,}"#,
    r#"|\b(?:authorization|cookie)\\*["']?\s*[=:]\s*\\*["']?[^\s"'\\][^\r\n"'\\]{2,})"#,
);

fn mask_assigned(matched: &str, out: &mut Masking<'_>) -> bool {
    let is_separator = |letter: char| letter.is_whitespace() || "=:>\"'\\".contains(letter);
    let Some(separator) = matched.find(is_separator) else { return false };
    let Some((name, value)) = matched.split_at_checked(separator) else { return false };
    let secret = value.trim_start_matches(is_separator);
    if secret.is_empty() {
        return false;
    }
    out.text(name);
    out.text(value.get(..value.len() - secret.len()).unwrap_or_default());
    out.secret(secret);
    true
}
