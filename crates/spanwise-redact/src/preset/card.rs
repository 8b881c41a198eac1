//! Payment cards.

use crate::rule::{Action, Rule};

/// Numbers of payment cards (ISO/IEC 7812-1): 13 to 19 digits, with spaces or hyphens between them, that begin with a digit of a payment
/// network and pass the Luhn check.
pub(super) fn rule() -> Rule {
    // The whole run of digits: a part of a longer number is none.
    let pattern = r"[0-9](?:[ -]?[0-9]){12,}";
    Rule::new(Action::Mask).with_name("payment_card").with_replacement(pattern, replace)
}

/// Masks the numbers in a run of groups of digits: each is one or several whole groups.
fn replace(matched: &str, mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    let (mut rest, mut is_changed) = (matched, false);
    while !rest.is_empty() {
        let card = ends(rest).filter(|end| rest.get(..*end).is_some_and(is_card)).last();
        if let Some((number, after)) = card.and_then(|end| rest.split_at_checked(end)) {
            out.push_str(&mask(number));
            (rest, is_changed) = (after, true);
            continue;
        }
        // On with the next group.
        let next = rest.find(SEPARATORS).map_or(rest.len(), |end| end + 1);
        let Some((group, after)) = rest.split_at_checked(next) else { break };
        out.push_str(group);
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
    let digits: Vec<u32> = groups.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let is_network = digits.first().is_some_and(|first| (2..=6).contains(first));
    is_network && (13..=MAX_DIGITS).contains(&digits.len()) && passes_luhn(&digits)
}

const SEPARATORS: [char; 2] = [' ', '-'];
const MAX_DIGITS: usize = 19;

/// The check digit of ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().fold(0, |sum, (index, digit)| {
        let doubled = digit * 2;
        sum + match index % 2 {
            0 => *digit,
            _ if doubled > 9 => doubled - 9,
            _ => doubled,
        }
    });
    sum > 0 && sum.is_multiple_of(10)
}
