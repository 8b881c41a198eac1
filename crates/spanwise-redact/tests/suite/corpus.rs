//! 10,000 generated secrets are found, and values without one are left alone.

use crate::support;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use spanwise_redact::Redactor;
use std::net::{Ipv4Addr, Ipv6Addr};
use support::{attributes, text};

/// A generator of numbers (xorshift64*), so that all runs have the same values.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn letters(&mut self, alphabet: &str, len: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..len).map(|_| *self.one(&alphabet)).collect()
    }

    /// A number of `len` digits with the check digit that the algorithm of Luhn asks for, as issuers print it.
    fn card(&mut self) -> String {
        let (prefix, len) = *self.one(&[
            ("4", 16),
            ("4", 13),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("65", 16),
            ("3528", 16),
            ("36", 14),
            ("62", 19),
        ]);
        let mut digits = format!("{prefix}{}", self.letters("0123456789", len - 1 - prefix.len()));
        let check = (0..10).find(|check| luhn(&format!("{digits}{check}"))).unwrap();
        digits.push_str(&check.to_string());
        let separator = *self.one(&["", "", " ", "-"]);
        let groups: Vec<String> =
            digits.as_bytes().chunks(4).map(|it| String::from_utf8(it.to_vec()).unwrap()).collect();
        groups.join(separator)
    }

    fn email(&mut self) -> String {
        let user = self.letters("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789._+-äß", 6);
        let domain = self.letters("abcdefghijklmnopqrstuvwxyz0123456789", 8);
        format!("x{user}y@{domain}.{}", self.one(&["com", "org", "co.uk", "museum", "xn--p1ai.ru"]))
    }

    fn token(&mut self) -> String {
        let alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let base64 = format!("{alphanumeric}-_");
        match self.below(8) {
            0 => format!("Bearer {}", self.letters(&base64, 40)),
            1 => format!("AKIA{}", self.letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
            2 => format!("gh{}_{}", self.letters("pousr", 1), self.letters(alphanumeric, 36)),
            3 => format!(
                "xoxb-{}-{}",
                self.letters("0123456789", 12),
                self.letters(alphanumeric, 24)
            ),
            4 => format!("sk_live_{}", self.letters(alphanumeric, 24)),
            5 => format!("AIza{}", self.letters(&base64, 35)),
            6 => {
                let mut part = |len| self.letters(&base64, len);
                format!("eyJ{}.eyJ{}.{}", part(20), part(60), part(43))
            }
            _ => format!("password={}", self.letters(alphanumeric, 12)),
        }
    }

    fn address(&mut self) -> String {
        match self.below(3) {
            0 => Ipv4Addr::from(self.next() as u32).to_string(),
            1 => Ipv6Addr::from((u128::from(self.next()) << 64) | u128::from(self.next()))
                .to_string(),
            // The form with `::`.
            _ => Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(self.next() as u16 | 1)).to_string(),
        }
    }
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits.bytes().rev().enumerate().fold(0, |sum, (place, digit)| {
        let digit = u32::from(digit - b'0') << (place % 2);
        sum + digit / 10 + digit % 10
    });
    sum.is_multiple_of(10)
}

fn redacted(redactor: &Redactor, key: &str, value: &str) -> String {
    match attributes(redactor, &[(key, text(value))]).pop() {
        Some((_, Value::StringValue(value))) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_generated_secret_is_found() {
    let redactor = Redactor::builder().with_all_presets().build().unwrap();
    let mut numbers = Numbers(0x5eed);
    let mut missed = Vec::new();
    for _ in 0..10_000 {
        let secret = match numbers.below(5) {
            0 => numbers.card(),
            1 => numbers.email(),
            2 => numbers.token(),
            3 => numbers.address(),
            _ => {
                let password = numbers.letters("abcdefghijklmnopqrstuvwxyz0123456789", 10);
                format!("https://user:{password}@example.com/")
            }
        };
        let around = *numbers.one(&[
            ("", ""),
            ("for ", " it failed"),
            ("\"", "\""),
            ("(", ")"),
            ("id=7, ", "; next"),
            ("x: ", "."),
        ]);
        let value = format!("{}{secret}{}", around.0, around.1);
        let out = redacted(&redactor, "note", &value);
        // The part of the secret that no rule of form explains: its longest run of letters and digits.
        let core = secret
            .split(|letter: char| !letter.is_alphanumeric())
            .max_by_key(|it| it.len())
            .unwrap();
        if !out.contains("****")
            || (core.len() > 7 && core != "password" && core != "example" && out.contains(core))
        {
            missed.push((value, out));
        }
    }
    assert!(missed.is_empty(), "{} missed: {:?}", missed.len(), &missed[..missed.len().min(10)]);
}

/// Values of the kinds that instrumentation writes.
fn harmless(numbers: &mut Numbers) -> String {
    let word = |numbers: &mut Numbers| {
        numbers
            .one(&["order", "user", "Checkout", "cart", "payments", "index", "list", "get_item"])
            .to_string()
    };
    match numbers.below(16) {
        0 => format!("/api/v{}/{}/{}", numbers.below(4), word(numbers), numbers.below(100_000)),
        1 => format!(
            "https://{}.example.com:{}/{}",
            word(numbers),
            numbers.below(65_536),
            word(numbers)
        ),
        2 => format!("{:016x}{:016x}", numbers.next(), numbers.next()),
        3 => format!("{}.{}.{}", numbers.below(20), numbers.below(100), numbers.below(100)),
        4 => format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            1 + numbers.below(28),
            numbers.below(24),
            numbers.below(60),
            numbers.below(60),
            numbers.below(1000)
        ),
        5 => format!("{}::{}::{}", word(numbers), word(numbers), word(numbers)),
        6 => format!("SELECT {} FROM {} WHERE id = ?", word(numbers), word(numbers)),
        7 => format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            numbers.next() as u32,
            numbers.below(0x1_0000),
            numbers.below(0x1000),
            numbers.below(0x1000),
            numbers.next() >> 16
        ),
        8 => format!(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.{} (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            numbers.below(99),
            numbers.below(140)
        ),
        9 => format!(
            "pod-{}-{}",
            word(numbers),
            numbers.letters("abcdefghijklmnopqrstuvwxyz0123456789", 10)
        ),
        10 => numbers.below(1_000_000_000).to_string(),
        11 => format!("{} failed after {} ms", word(numbers), numbers.below(10_000)),
        12 => format!(
            "{}Exception: cannot read {} at line {}",
            word(numbers),
            word(numbers),
            numbers.below(900)
        ),
        13 => format!("application/{}; charset=utf-8", word(numbers)),
        14 => format!("{}.svc.cluster.local", word(numbers)),
        _ => (1_700_000_000_000_000_000 + numbers.below(1 << 50)).to_string(),
    }
}

#[test]
fn values_without_a_secret_are_left_alone() {
    let redactor = Redactor::builder().with_all_presets().build().unwrap();
    let mut numbers = Numbers(0xc0de);
    let mut hits = Vec::new();
    for _ in 0..20_000 {
        let value = harmless(&mut numbers);
        let out = redacted(&redactor, "note", &value);
        if out != value {
            hits.push((value, out));
        }
    }
    assert!(
        hits.len() <= 20,
        "{} of 20,000 are changed: {:?}",
        hits.len(),
        &hits[..hits.len().min(10)]
    );
}
