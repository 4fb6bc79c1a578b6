//! Makes forms of a secret from a grammar: layers of encoding, noise between characters, ends of lines, neighbours, cuts. Whether a secret
//! came through is told by taking the noise out and decoding what is left, which has nothing to do with how secrets are found.

use super::masked;
use crate::Redactor;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const SECRET: &str = "Kx9-hunter2 q";

#[derive(Debug, Clone, Copy)]
enum Layer {
    Percent,
    AllPercent,
    Json,
    Html,
    Escaped,
}

fn encoded(text: &str, layer: Layer) -> String {
    let each = |write: &dyn Fn(u8) -> String| text.bytes().map(write).collect::<String>();
    match layer {
        Layer::Percent => each(&|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        }),
        Layer::AllPercent => each(&|byte| format!("%{byte:02x}")),
        Layer::Json => each(&|byte| format!("\\u{:04x}", u32::from(byte))),
        Layer::Html => each(&|byte| format!("&#{byte};")),
        Layer::Escaped => each(&|byte| format!("\\x{byte:02x}")),
    }
}

fn layer() -> impl Strategy<Value = Layer> {
    prop::sample::select(vec![
        Layer::Percent,
        Layer::AllPercent,
        Layer::Json,
        Layer::Html,
        Layer::Escaped,
    ])
}

/// Something that nobody sees.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\u{200b}\u{200d}\u{ad}\u{feff}\u{2060}\u{fe0f}\u{202e}\u{e0041}\u{fffd}\u{336}]",
        "[\u{0}\u{7}\u{8}\u{b}\u{7f}]",
        "\u{1b}\\[[0-9;]{0,6}[mKH]",
        Just("\u{1b}[01;31m\u{1b}[K".to_owned()),
        Just("\u{1b}]8;;http://x\u{1b}\\".to_owned()),
        Just("z\u{8}".to_owned()),
    ]
}

fn noisy(text: &str, noise: &[String], often: &[bool]) -> String {
    let mut noise = noise.iter().cycle();
    let mut often = often.iter().cycle();
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at > 0 && often.next() == Some(&true) {
            out.push_str(noise.next().map_or("", String::as_str));
        }
        out.push(c);
    }
    out
}

/// Says whether `shown` still has the secret when everything but letters and digits is taken out of it.
fn comes_through(shown: &[u8], form: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    };
    letters(&String::from_utf8_lossy(shown)).contains(&letters(form))
}

proptest! {
    #[test]
    fn no_form_that_the_grammar_makes_comes_through(
        layers in proptest::collection::vec(layer(), 0..3),
        (noise, often) in (proptest::collection::vec(noise(), 1..4), proptest::collection::vec(any::<bool>(), 1..5)),
        upper in any::<bool>(),
        (before, after) in ("[a-z]{0,3}[ =:]", "[ ,;\n][a-z]{0,3}"),
        sizes in proptest::collection::vec(1usize..12, 1..6),
    ) {
        let secret = if upper { SECRET.to_uppercase() } else { SECRET.to_owned() };
        let form = layers.iter().fold(secret, |text, layer| encoded(&text, *layer));
        let text = format!("{before}{}{after}", noisy(&form, &noise, &often));
        let out = masked(&Redactor::new([SECRET]), text.as_bytes(), &sizes);
        prop_assert!(!comes_through(&out, &form), "{text:?} -> {:?}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn no_wrapped_form_comes_through(
        width in 1usize..40,
        prefix in prop::sample::select(vec!["", "  ", "web-1  | ", "> ", "\t"]),
        base64 in 0usize..3,
        (before, after) in ("[a-z ]{0,20}", "[a-z ]{0,20}"),
        carriage in any::<bool>(),
    ) {
        let text = format!("{before}{SECRET}{after}");
        let text = (0..base64).fold(text, |text, _| STANDARD.encode(text));
        let end = if carriage { "\r\n" } else { "\n" };
        let lines: Vec<String> = text.as_bytes().chunks(width).map(|line| format!("{prefix}{}", String::from_utf8_lossy(line))).collect();
        let text = lines.join(end);
        let out = masked(&Redactor::new([SECRET]), text.as_bytes(), &[usize::MAX]);
        let joined = String::from_utf8_lossy(&out).replace(end, "").replace(prefix, "");
        let mut found = joined.contains(SECRET);
        if let Ok(decoded) = STANDARD.decode(&joined) {
            found |= String::from_utf8_lossy(&decoded).contains(SECRET);
        }
        prop_assert!(!found && joined.contains("REDACTED"), "{text:?} -> {joined:?}");
    }

    #[test]
    fn text_without_a_secret_passes_unchanged(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        words in proptest::collection::vec("[a-z0-9%\\\\&;=\n\t \u{1b}\u{200b}]{0,12}", 0..30),
        sizes in proptest::collection::vec(1usize..40, 1..6),
    ) {
        let text = [bytes, words.concat().into_bytes()].concat();
        let out = masked(&Redactor::new(["Zq7!vB#92xW-Lm", "correct horse battery staple"]), &text, &sizes);
        prop_assert_eq!(out, text);
    }
}

fn dump(text: &str, line: impl Fn(usize, &[u8]) -> String) -> String {
    text.as_bytes()
        .chunks(16)
        .enumerate()
        .map(|(at, bytes)| line(at * 16, bytes))
        .collect()
}

fn column(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| {
            if (b' '..=b'~').contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        })
        .collect()
}

fn separated(bytes: &[u8], size: usize, separator: &str, write: impl Fn(u8) -> String) -> String {
    let groups: Vec<String> = bytes
        .chunks(size)
        .map(|group| group.iter().map(|byte| write(*byte)).collect())
        .collect();
    groups.join(separator)
}

#[test]
fn no_dump_shows_a_secret_wherever_its_lines_end() {
    let hex = |byte: u8| format!("{byte:02x}");
    for fill in 0..17 {
        let text = format!("{}{SECRET}, and more", "_".repeat(fill));
        let dumps = [
            dump(&text, |at, bytes| {
                format!("{at:08x}: {:<39}  {}\n", separated(bytes, 2, " ", hex), column(bytes))
            }),
            dump(&text, |at, bytes| {
                format!("{at:08x}  {:<48}  |{}|\n", separated(bytes, 1, " ", hex), column(bytes))
            }),
            dump(&text, |_, bytes| format!(" {}\n", separated(bytes, 1, " ", hex))),
            dump(&text, |at, bytes| {
                format!(
                    "{at:07o}   {}\n",
                    separated(bytes, 1, "   ", |byte| char::from(byte).to_string())
                )
            }),
            dump(&text, |_, bytes| format!("{}\n", separated(bytes, 16, "", hex))),
            separated(text.as_bytes(), 1, ":", |byte| format!("{byte:02X}")),
            separated(text.as_bytes(), 1, "-", hex),
            separated(text.as_bytes(), 1, ", ", |byte| format!("0x{byte:02x}")),
            separated(text.as_bytes(), 1, "", |byte| format!("\\x{byte:02x}")),
            format!("[{}]", separated(text.as_bytes(), 1, " ", |byte| byte.to_string())),
        ];
        let core = separated(&SECRET.as_bytes()[..8], 1, "", hex);
        for dump in dumps {
            let out = String::from_utf8(masked(&Redactor::new([SECRET]), dump.as_bytes(), &[7])).unwrap();
            let digits: String = out.to_lowercase().chars().filter(char::is_ascii_hexdigit).collect();
            assert!(out.contains("[REDACTED]"), "{dump}\n{out}");
            assert!(
                !digits.contains(&core) && !out.contains("hunter2") && !out.contains("ter2 q"),
                "{dump}\n{out}"
            );
        }
    }
}

#[test]
fn a_row_of_unseen_signs_without_end_is_held_in_bounded_memory_and_is_no_way_around() {
    let mut stream = Redactor::new([SECRET]).stream();
    let mut out = stream.push(b"Kx9-hun");
    for _ in 0..200 {
        out.extend(stream.push("\u{200b}".repeat(1000).as_bytes()));
        assert!(stream.buffer.len() < 80 * 1024);
    }
    out.extend(stream.push(b"ter2 q\n"));
    out.extend(stream.finish());
    assert_eq!(String::from_utf8(out).unwrap(), "[REDACTED]\n");
}

#[test]
fn overstrikes_and_utf16_are_read_through() {
    let redactor = Redactor::new(["hunter2x"]);
    for text in [
        "h\u{8}hu\u{8}un\u{8}nt\u{8}te\u{8}er\u{8}r2\u{8}2x\u{8}x",
        "h\0u\0n\0t\0e\0r\x002\0x\0",
        "hunXY\u{8}\u{8}ter2x",
        "HUNTER2X",
    ] {
        let out = redactor.text(text);
        assert!(
            out.contains("[REDACTED]") && !out.contains("ter2"),
            "{text:?} -> {out:?}"
        );
    }
}

#[test]
fn a_blank_of_the_secret_at_the_start_of_a_line_is_read_behind_each_prefix() {
    for prefix in ["  ", "web-1  | ", "> "] {
        let text = format!("{prefix}Kx9-hunter2\n{prefix} q");
        let out = Redactor::new([SECRET]).text(&text);
        assert_eq!(out, format!("{prefix}[REDACTED]"));
    }
}
