//! One pass over a text finds the value patterns that may match in it.

use super::byte_set::ByteSet;
use super::needs::{COUNTED, Gram, Needs};
use super::rule_set::RuleSet;

/// One automaton over the grams of all value patterns, and conditions that are cheaper than a search.
///
/// For each byte the automaton does three loads that depend on no other: bit `b` of a word states that the byte may have the first, second
/// or third place of a gram of bit `b`.
#[derive(Debug)]
pub(crate) struct Filter {
    /// A table by byte for each place of a gram.
    places: Box<[[u64; 256]; 3]>,
    /// By byte: a one in each byte of the word that counts a set with it.
    counted: Box<[u64; 256]>,
    /// The rules that have a gram of each bit.
    bits: [RuleSet; BITS],
    /// The bits of patterns that match a text of `index` bytes, or of more for the last.
    by_len: [u64; LENGTHS],
    /// By index of the rule, for those that the filter knows.
    conditions: Vec<Condition>,
    /// The rules with conditions.
    rules: RuleSet,
    /// Those of them that have keys, and the bits that no other rule has.
    keyed: RuleSet,
    keyed_bits: u64,
    /// The rules whose pattern may match in the digits of a number, by the number of its bits.
    by_bits: [RuleSet; 65],
}

/// The conditions of one rule.
#[derive(Debug, Default)]
struct Condition {
    /// The fewest bytes of each counted set, at most 127.
    counts: u64,
    /// The text has a run of these bytes, at least of this length.
    run: Option<(Box<[bool; 256]>, usize)>,
}

impl Filter {
    /// A filter for the patterns of these rules, of which those in `keyed` have keys.
    pub(super) fn new(needs: &[(usize, Needs)], keyed: RuleSet) -> Self {
        let known: Vec<_> = needs.iter().filter(|(_, needs)| !needs.grams.is_empty()).collect();
        let mut filter = Self {
            places: Box::new([[0; 256]; 3]),
            counted: Box::new([0; 256]),
            bits: [RuleSet::default(); BITS],
            by_len: [0; LENGTHS],
            conditions: Vec::new(),
            rules: RuleSet::default(),
            keyed: RuleSet::default(),
            keyed_bits: 0,
            by_bits: [RuleSet::default(); 65],
        };
        for (byte, word) in (0..=u8::MAX).zip(filter.counted.iter_mut()) {
            let counted = COUNTED.iter().enumerate().filter(|(_, set)| set.contains(&byte));
            *word = counted.map(|(place, _)| 1 << (8 * place)).sum();
        }
        // Each gram has a bit of its own, unless there are too many.
        let most = known.iter().map(|(_, needs)| needs.grams.len()).max().unwrap_or(0);
        let total = |cap: usize| known.iter().map(|(_, it)| it.grams.len().min(cap)).sum::<usize>();
        let cap = (1..=most).rev().find(|cap| total(*cap) <= BITS).unwrap_or(1);
        let mut next = 0;
        for (rule, needs) in known {
            filter.conditions.resize_with(*rule, Condition::default);
            filter.conditions.push(Condition::new(needs));
            filter.rules.insert(*rule);
            let mut grams = needs.grams.clone();
            grams.sort_by_key(|gram| gram.map(|set| set.iter().next()));
            for grams in grams.chunks(grams.len().div_ceil(cap)) {
                filter.add(next % BITS, grams, needs.min_len, *rule);
                next += 1;
            }
        }
        filter.keyed = filter.rules.and(keyed);
        for (place, rules) in filter.bits.iter().enumerate() {
            filter.keyed_bits |= u64::from(rules.without(keyed).is_empty()) << place;
        }
        filter
    }

    fn add(&mut self, bit: usize, grams: &[Gram], min_len: usize, rule: usize) {
        let mask = 1 << bit;
        self.bits[bit].insert(rule);
        let number = ByteSet::of(b"-0123456789");
        for gram in grams {
            for (table, set) in self.places.iter_mut().zip(gram) {
                let words = (0..=u8::MAX).zip(table.iter_mut());
                words.filter(|(byte, _)| set.contains(*byte)).for_each(|(_, word)| *word |= mask);
            }
            if gram.iter().all(|set| set.iter().any(|byte| number.contains(byte))) {
                // The sign is one of the bytes.
                let digits = u32::try_from(min_len.saturating_sub(2)).unwrap_or(u32::MAX);
                let smallest = if min_len < 2 { 0 } else { 10u64.saturating_pow(digits) };
                let reached = (0..=64).zip(&mut self.by_bits);
                let reached = reached.filter(|(bits, _)| (1u128 << bits) > u128::from(smallest));
                reached.for_each(|(_, rules)| rules.insert(rule));
            }
        }
        self.by_len.iter_mut().skip(min_len.min(LENGTHS - 1)).for_each(|bits| *bits |= mask);
    }

    /// The rules that the filter knows; all others have to search.
    pub(crate) fn rules(&self) -> RuleSet {
        self.rules
    }

    /// The rules of the filter whose pattern may match in the digits of a number, by its magnitude.
    #[inline]
    pub(crate) fn of_number(&self, number: i64) -> RuleSet {
        let bits = 64 - number.unsigned_abs().leading_zeros();
        self.by_bits[bits as usize]
    }

    /// Of `rules`, those of the filter whose pattern may match in a text.
    #[inline]
    pub(crate) fn candidates(&self, text: &[u8], rules: RuleSet) -> RuleSet {
        let [first, second, third] = &*self.places;
        // As if the text came after bytes that no text has.
        let (mut one, mut two, mut hits) = (first[0xff], first[0xff] & second[0xff], 0);
        for byte in text {
            let byte = usize::from(*byte);
            hits |= two & third[byte];
            two = one & second[byte];
            one = first[byte];
        }
        hits &= self.by_len.get(text.len()).or(self.by_len.last()).copied().unwrap_or_default();
        if rules.and(self.keyed).is_empty() {
            hits &= !self.keyed_bits;
        }
        if hits == 0 { RuleSet::default() } else { self.confirmed(hits, text, rules) }
    }

    /// The rules of these bits whose other conditions hold.
    #[cold]
    #[inline(never)]
    fn confirmed(&self, mut hits: u64, text: &[u8], rules: RuleSet) -> RuleSet {
        let mut due = RuleSet::default();
        while hits != 0 {
            due = due.or(self.bits[hits.trailing_zeros() as usize]);
            hits &= hits - 1;
        }
        due = due.and(rules);
        if due.is_empty() {
            return due;
        }
        let counts = self.counts(text);
        let mut from = 0;
        while let Some(rule) = due.next(from) {
            from = rule + 1;
            if !self.conditions.get(rule).is_some_and(|it| it.holds(counts, text)) {
                due.remove(rule);
            }
        }
        due
    }
}

impl Filter {
    /// The bytes of each counted set in a text, at most 127.
    fn counts(&self, text: &[u8]) -> u64 {
        let count = |bytes: &[u8]| {
            let words = bytes.iter().map(|byte| self.counted[usize::from(*byte)]);
            words.fold(0u64, u64::wrapping_add)
        };
        if text.len() <= MAX_COUNT {
            return count(text);
        }
        let mut sums = [0u8; COUNTED.len()];
        for chunk in text.chunks(MAX_COUNT) {
            let more = count(chunk).to_le_bytes();
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = 127.min(*sum + more));
        }
        u64::from_le_bytes(sums)
    }
}

impl Condition {
    fn new(needs: &Needs) -> Self {
        let is_selective = needs.min_len > 3 && needs.alphabet.len() <= MAX_ALPHABET;
        let run = is_selective.then(|| {
            let mut alphabet = Box::new([false; 256]);
            let bytes = (0..=u8::MAX).zip(alphabet.iter_mut());
            bytes.for_each(|(byte, has)| *has = needs.alphabet.contains(byte));
            (alphabet, needs.min_len)
        });
        Self { counts: u64::from_le_bytes(needs.counts.map(|count| count.min(127))), run }
    }

    fn holds(&self, counts: u64, text: &[u8]) -> bool {
        // All bytes at once: one whose count is too small borrows its high bit.
        ((counts | HIGH_BITS) - self.counts) & HIGH_BITS == HIGH_BITS
            && self.run.as_ref().is_none_or(|(alphabet, len)| has_run(alphabet, *len, text))
    }
}

/// Whether a text has a run of `len` bytes of an alphabet.
fn has_run(alphabet: &[bool; 256], len: usize, text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(run) = text.get(at..at + len) {
        // From the end: a byte of no run leaves out all before it.
        match run.iter().rposition(|byte| !alphabet[usize::from(*byte)]) {
            Some(other) => at += other + 1,
            None => return true,
        }
    }
    false
}

const BITS: usize = 64;
/// Lengths of texts with a mask of their own.
const LENGTHS: usize = 33;
/// The most bytes whose counts fit into seven bits.
const MAX_COUNT: usize = 127;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
/// The largest alphabet whose runs are rare enough to be looked for.
const MAX_ALPHABET: usize = 72;
