//! Rules for common kinds of personal data and secrets.

mod card;
mod ip;
mod query_text;
mod secret;
mod url;

use crate::rule::{Action, Rule};

/// Rules for a kind of personal data or secret.
///
/// A preset finds what has the form of the kind. It does not know names, addresses or numbers of accounts: give these rules of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// User names and passwords in URLs, and the values of their query parameters.
    Url,
    /// Authorization headers and cookies, bearer tokens, JSON web tokens, keys of well-known services, private keys in PEM, and values
    /// called password, secret, token or API key.
    Secrets,
    /// E-mail addresses.
    Email,
    /// Payment cards: 13 to 19 digits, also in groups, that pass the Luhn check.
    PaymentCard,
    /// IP addresses, version 4 and 6.
    IpAddress,
    /// Strings and numbers in `db.query.text` and `db.statement`, each of which becomes `?`, and the values of parameters of queries.
    DatabaseQuery,
}

impl Preset {
    /// All, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Url,
        Self::Secrets,
        Self::Email,
        Self::PaymentCard,
        Self::IpAddress,
        Self::DatabaseQuery,
    ];

    /// The name in configuration files: `url`, `secrets`, `email`, `payment_card`, `ip_address`, `database_query`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Secrets => "secrets",
            Self::Email => "email",
            Self::PaymentCard => "payment_card",
            Self::IpAddress => "ip_address",
            Self::DatabaseQuery => "database_query",
        }
    }

    /// The rules, to be changed or added one by one.
    pub fn rules(self) -> Vec<Rule> {
        match self {
            Self::Url => url::rules(),
            Self::Secrets => secret::rules(),
            Self::Email => vec![email()],
            Self::PaymentCard => vec![card::rule()],
            Self::IpAddress => ip::rules(),
            Self::DatabaseQuery => query_text::rules(),
        }
    }
}

/// E-mail addresses, also with letters beyond ASCII.
fn email() -> Rule {
    let pattern = r"[A-Za-z0-9._%+'\x80-\xff-]+@[A-Za-z0-9\x80-\xff-]+(?:\.[A-Za-z0-9\x80-\xff-]+)*\.[A-Za-z\x80-\xff]{2,}";
    Rule::new(Action::Mask).with_name("email").with_value_pattern(pattern)
}
