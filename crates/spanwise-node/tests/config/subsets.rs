//! Files with parts left out and changed.

use super::read;
use proptest::prelude::*;

const FILES: [&str; 3] = [
    include_str!("files/node.yaml"),
    include_str!("files/collector-sampler.yaml"),
    include_str!("files/collector-gateway.yaml"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_part_of_a_file_is_read_or_refused(
        file in 0..FILES.len(),
        left_out in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        moved in any::<prop::sample::Index>(),
        letter in "[ -~]",
    ) {
        let mut lines: Vec<String> = FILES[file].lines().map(str::to_owned).collect();
        for index in left_out {
            let index = index.index(lines.len());
            lines.remove(index);
        }
        let line = moved.index(lines.len());
        let at = moved.index(lines[line].len() + 1);
        lines[line].insert_str(at, &letter);
        let text = lines.join("\n");
        let shown = match read(&text) {
            Ok(read) => format!("{:?} {:?}", read.value, read.warnings),
            Err(error) => error.to_string(),
        };
        for secret in ["t0ken", "he4der"] {
            prop_assert!(!shown.contains(secret), "{}", shown);
        }
    }
}
