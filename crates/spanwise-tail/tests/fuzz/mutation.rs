//! Mutations that respect the structure of their input: most results are read further than the first byte.

/// A SplitMix64 generator: a seed gives the same inputs on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// A text with some of its tokens deleted, repeated, exchanged or replaced by those of `words` or of another text.
pub fn mutate_text(random: &mut Random, text: &str, other: &str, words: &[&str]) -> String {
    let mut tokens = tokens(text);
    let others = self::tokens(other);
    for _ in 0..=random.below(3) {
        let at = random.below(tokens.len());
        match random.below(8) {
            0 if !tokens.is_empty() => _ = tokens.remove(at),
            1 if !tokens.is_empty() => {
                let copies = [1, 1, 2, 40][random.below(4)];
                let token = tokens[at];
                tokens.splice(at..at, std::iter::repeat_n(token, copies));
            }
            2 if !tokens.is_empty() => {
                let with = random.below(tokens.len());
                tokens.swap(at, with);
            }
            3 if !others.is_empty() => {
                let from = random.below(others.len());
                let len = random.below(12).min(others.len() - from);
                tokens.splice(at..at, others[from..from + len].iter().copied());
            }
            4 if !tokens.is_empty() => {
                // A block twice: duplicate keys and names.
                let end = (at + random.below(30)).min(tokens.len());
                let block = tokens[at..end].to_vec();
                tokens.splice(at..at, block);
            }
            5 => tokens.truncate(at + tokens.len() / 2),
            6 if !tokens.is_empty() => tokens[at] = random.pick(words),
            _ => tokens.insert(at, random.pick(words)),
        }
    }
    tokens.concat()
}

/// Words and numbers, and every other character alone.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(len);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

/// A protobuf message with some of its fields changed, at any depth, under lengths that stay right; and rarely a broken byte.
pub fn mutate_message(random: &mut Random, message: &[u8], other: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for _ in 0..=random.below(4) {
        message = mutate_fields(random, &message, other, 0);
    }
    if random.below(4) == 0 && !message.is_empty() {
        let at = random.below(message.len());
        match random.below(4) {
            0 => message.truncate(at),
            1 => message[at] ^= 1 << random.below(8),
            2 => message[at] = random.pick(&[0, 0x7f, 0x80, 0xff]),
            _ => _ = message.remove(at),
        }
    }
    message
}

fn mutate_fields(random: &mut Random, message: &[u8], other: &[u8], depth: usize) -> Vec<u8> {
    let Some(mut fields) = fields(message).filter(|fields| !fields.is_empty()) else {
        return noise(random);
    };
    let at = random.below(fields.len());
    if depth < 9
        && random.below(4) > 0
        && let (number, Some(content)) = &fields[at]
    {
        let content = mutate_fields(random, content, other, depth + 1);
        fields[at] = (number.clone(), Some(content));
        return encode(&fields, message);
    }
    match random.below(7) {
        0 => _ = fields.remove(at),
        1 => {
            let copies = [1, 1, 3, 300][random.below(4)];
            let field = fields[at].clone();
            fields.splice(at..at, std::iter::repeat_n(field, copies));
        }
        2 => {
            let with = random.below(fields.len());
            fields.swap(at, with);
        }
        3 => fields[at].0.0 = random.below(20) as u64,
        4 => fields[at] = ((random.below(17) as u64, 0..0), Some(noise(random))),
        5 => {
            // A message in itself, deeper than any reader should follow.
            let mut deep = noise(random);
            let number = random.pick(&[1, 2, 5, 6, 9]);
            for _ in 0..random.below(200) {
                deep = encode(&[((number, 0..0), Some(deep))], &[]);
            }
            fields.insert(at, ((number, 0..0), Some(deep)));
        }
        _ => fields.insert(at, ((random.below(4) as u64, 0..0), Some(other.to_vec()))),
    }
    encode(&fields, message)
}

/// Bytes that numbers, lengths and keys trip over.
fn noise(random: &mut Random) -> Vec<u8> {
    let pieces: [&[u8]; 10] = [
        &[],
        &[0],
        &[0xff; 10],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        &[0x80; 11],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0x0b, 0x0b, 0x0c],
        &[0x39, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        b"ot=th:8;rv:ffffffffffffff,a=b",
        b"\xf0\x28\x8c\x28",
    ];
    let count = random.below(3) + 1;
    (0..count).flat_map(|_| random.pick(&pieces).to_vec()).collect()
}

/// The number of a field with the place of its bytes, and its content if it has a length.
type Field = ((u64, std::ops::Range<usize>), Option<Vec<u8>>);

/// The fields of a message; `None` if the bytes are none.
fn fields(message: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let key = varint(message, &mut at)?;
        let content = match key & 7 {
            0 => {
                varint(message, &mut at)?;
                None
            }
            1 => {
                at += 8;
                None
            }
            2 => {
                let len = usize::try_from(varint(message, &mut at)?).ok()?;
                let content = message.get(at..at.checked_add(len)?)?.to_vec();
                at += len;
                Some(content)
            }
            5 => {
                at += 4;
                None
            }
            _ => return None,
        };
        message.get(start..at)?;
        fields.push(((key >> 3, start..at), content));
    }
    Some(fields)
}

fn encode(fields: &[Field], source: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for ((number, place), content) in fields {
        match content {
            Some(content) => {
                put_varint(number << 3 | 2, &mut out);
                put_varint(content.len() as u64, &mut out);
                out.extend_from_slice(content);
            }
            None => out.extend_from_slice(&source[place.clone()]),
        }
    }
    out
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
