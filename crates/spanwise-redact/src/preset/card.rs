//! Payment cards.

use crate::rewrite::Masking;
use crate::rule::{Action, Rule};

/// Numbers of payment cards (ISO/IEC 7812-1): 13 to 19 digits, with spaces or hyphens between them, that begin with a digit of a payment
/// network and pass the Luhn check.
pub(super) fn rule() -> Rule {
    let sieve = r"[0-9](?:[ -]?[0-9]){12}";
    Rule::new(Action::Mask).with_name("payment_card").with_function(sieve, replace)
}

/// Masks the numbers in each run of groups of digits: a part of a longer number is none.
fn replace(text: &str, out: &mut Masking<'_>) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let (mut at, mut is_changed) = (0, false);
    while let Some(skipped) = bytes.get(at..).and_then(|it| it.iter().position(u8::is_ascii_digit))
    {
        let start = at + skipped;
        let mut end = start;
        while is_digit(end) || (is_digit(end + 1) && matches!(bytes.get(end), Some(b' ' | b'-'))) {
            end += 1;
        }
        out.text(text.get(at..start).unwrap_or_default());
        is_changed |= replace_run(text.get(start..end).unwrap_or_default(), out);
        at = end;
    }
    out.text(text.get(at..).unwrap_or_default());
    is_changed
}

/// Masks the numbers in a run of groups of digits: each is one or several whole groups.
fn replace_run(run: &str, out: &mut Masking<'_>) -> bool {
    let (mut rest, mut is_changed) = (run, false);
    while !rest.is_empty() {
        let card = ends(rest).filter(|end| rest.get(..*end).is_some_and(is_card)).last();
        if let Some((number, after)) = card.and_then(|end| rest.split_at_checked(end)) {
            out.secret(number);
            (rest, is_changed) = (after, true);
            continue;
        }
        // On with the next group.
        let next = rest.find(SEPARATORS).map_or(rest.len(), |end| end + 1);
        let Some((group, after)) = rest.split_at_checked(next) else { break };
        out.text(group);
        rest = after;
    }
    is_changed
}

/// The ends of the groups, as far as a number can reach.
fn ends(groups: &str) -> impl Iterator<Item = usize> {
    let inner = groups.match_indices(SEPARATORS).map(|(index, _)| index);
    inner.chain([groups.len()]).take_while(|end| *end < 2 * MAX_DIGITS)
}

fn is_card(groups: &str) -> bool {
    let digits = groups.bytes().filter(u8::is_ascii_digit);
    let count = digits.clone().count();
    let is_network = digits.clone().next().is_some_and(|first| (b'2'..=b'6').contains(&first));
    is_network && (13..=MAX_DIGITS).contains(&count) && passes_luhn(digits)
}

const SEPARATORS: [char; 2] = [' ', '-'];
const MAX_DIGITS: usize = 19;

/// The check digit of ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits.rev().enumerate().fold(0, |sum, (index, digit)| {
        let digit = u32::from(digit.saturating_sub(b'0'));
        let doubled = digit * 2;
        sum + match index % 2 {
            0 => digit,
            _ if doubled > 9 => doubled - 9,
            _ => doubled,
        }
    });
    sum > 0 && sum.is_multiple_of(10)
}
