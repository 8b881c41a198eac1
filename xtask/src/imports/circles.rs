//! Files that import each other, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Arrows;

/// Every largest set of files in which each file reaches each other one; sorted.
pub fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&file| (file, reached(file, &next))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (&file, reached) in &reach {
        if reached.contains(file) {
            let back = |other: &&str| reach.get(other).is_some_and(|from| from.contains(file));
            let circle = reached.iter().copied().filter(back);
            found.insert(circle.map(str::to_owned).collect());
        }
    }
    found.into_iter().collect()
}

fn reached<'a>(from: &'a str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for &to in next.get(file).into_iter().flatten() {
            if found.insert(to) {
                open.push(to);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `arrows` are pairs of letters.
    fn check(arrows: &[&str], expected: &[&str]) {
        let mut all = Arrows::new();
        for arrow in arrows {
            all.insert((arrow[..1].to_owned(), arrow[1..].to_owned()), BTreeSet::new());
        }
        let found: Vec<String> = circles(&all).iter().map(|circle| circle.concat()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_tree_has_no_circle() {
        check(&["ab", "ac", "bd", "cd"], &[]);
    }

    #[test]
    fn each_circle_is_found_once() {
        check(&["ab", "ba", "bc", "cd", "de", "ec", "ef"], &["ab", "cde"]);
    }

    #[test]
    fn circles_that_share_a_file_are_one() {
        check(&["ab", "ba", "bc", "cb"], &["abc"]);
    }
}
