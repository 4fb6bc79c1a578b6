//! Proofs that no form of a secret gets through.

mod grammar;

use crate::Redactor;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

fn masked(redactor: &Redactor, bytes: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |&size| size.clamp(1, rest.len()));
        let (chunk, after) = rest.split_at(size);
        out.extend(stream.push(chunk));
        rest = after;
    }
    out.extend(stream.finish());
    out
}

fn percent_encoded(secret: &str, all: bool) -> String {
    let keep = |byte: &u8| !all && (byte.is_ascii_alphanumeric() || b"-_.~".contains(byte));
    secret
        .bytes()
        .map(|byte| {
            if keep(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn html_escaped(secret: &str) -> String {
    let secret = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    secret.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Every form in which a secret may turn up, without its neighbours.
fn encoded(secret: &str, before: &str, after: &str) -> Vec<Vec<u8>> {
    let in_text = format!("{before}{secret}{after}");
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json = serde_json::to_string(secret).unwrap();
    let wrapped: Vec<String> = STANDARD
        .encode(&in_text)
        .as_bytes()
        .chunks(7)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let texts = [
        secret.to_owned(),
        percent_encoded(secret, false),
        percent_encoded(secret, true).to_lowercase(),
        percent_encoded(secret, false).replace("%20", "+"),
        html_escaped(secret),
        json.get(1..json.len() - 1).unwrap().to_owned(),
        format!("'{}'", secret.replace('\'', "'\\''")),
        hex.to_uppercase(),
        hex,
        STANDARD.encode(secret),
        STANDARD.encode(&in_text),
        STANDARD_NO_PAD.encode(&in_text),
        URL_SAFE.encode(&in_text),
        URL_SAFE_NO_PAD.encode(&in_text),
        wrapped.join("\n"),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Says whether base64 `text` still decodes to something with the secret in it, whatever its alignment.
fn holds(masked: &[u8], secret: &str) -> bool {
    let text = String::from_utf8_lossy(masked);
    let decoded = |text: &str| {
        let plain: String = text.replace(['\n', '='], "").replace('-', "+").replace('_', "/");
        (0..4).any(|skip| {
            let rest = plain.get(skip..).unwrap_or_default();
            let whole = rest.get(..rest.len() / 4 * 4).unwrap_or_default();
            STANDARD
                .decode(whole)
                .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(secret))
        })
    };
    text.contains(secret) || text.split("[REDACTED]").any(decoded)
}

#[test]
fn secrets_are_masked_in_ordinary_output() {
    let redactor = Redactor::new(["hunter2", "s3cr&t'x y"]);
    let cases = [
        ("login hunter2 ok", "login [REDACTED] ok"),
        ("hunterhunter2", "hunter[REDACTED]"),
        ("hunter3 hunter", "hunter3 [REDACTED]"),
        (r#"{"p":"s3cr&t'x y"}"#, r#"{"p":"[REDACTED]"}"#),
        ("?p=s3cr%26t%27x+y&q", "?p=[REDACTED]&q"),
        ("<b>s3cr&amp;t&#39;x y</b>", "<b>[REDACTED]</b>"),
        (r"echo 's3cr&t'\''x y'", "echo '[REDACTED]'"),
        ("68756e74657232", "[REDACTED]"),
        ("nothing here", "nothing here"),
    ];
    for (text, expected) in cases {
        assert_eq!(redactor.text(text), expected);
    }
    assert_eq!(
        format!("{redactor:?} {:?}", redactor.stream()),
        "Redactor { .. } RedactingStream { .. }"
    );
}

#[test]
fn overlapping_secrets_are_masked_together() {
    let redactor = Redactor::new(["abcdef", "efghij"]);
    assert_eq!(redactor.text("xabcdefghijx"), "x[REDACTED]x");
}

#[test]
fn each_line_of_a_secret_is_masked_by_itself() {
    let redactor = Redactor::new(["-----BEGIN\n  line one\nline two\n"]);
    assert_eq!(redactor.text("> line one\n> line two"), "> [REDACTED]\n> [REDACTED]");
    assert_eq!(redactor.text("-----BEGIN\n  line one\nline two."), "[REDACTED].");
}

#[test]
fn a_secret_cut_short_by_the_end_is_masked() {
    assert_eq!(
        Redactor::new(["correct horse battery"]).text("it is correct ho"),
        "it is [REDACTED]"
    );
}

#[test]
fn short_secrets_are_refused_and_not_masked() {
    assert!(!Redactor::can_mask("abc"));
    assert_eq!(Redactor::new(["abc", ""]).text("abcabc"), "abcabc");
}

#[test]
fn nothing_is_held_back_of_output_that_starts_no_secret() {
    let mut stream = Redactor::new(["hunter2"]).stream();
    assert_eq!(stream.push(b"Pulling web... done\n"), b"Pulling web... done\n");
    assert_eq!(stream.push(b"hunt"), b"");
    assert_eq!(stream.push(b"ing\n"), b"hunting\n");
}

proptest! {
    #[test]
    fn no_form_of_a_secret_survives_however_it_is_cut(
        secret in "[a-zA-Z0-9 !-/:-@\\[-`{-~é日]{4,24}",
        before in "[a-z]{0,4}",
        after in "[a-z]{0,4}",
        sizes in proptest::collection::vec(1usize..12, 1..6),
    ) {
        prop_assume!(Redactor::can_mask(&secret) && secret.trim() == secret);
        prop_assume!(!"[REDACTED]".contains(&secret));
        let redactor = Redactor::new([secret.as_str()]);
        for form in encoded(&secret, &before, &after) {
            let text = [before.as_bytes(), b" ", &form, b" ", after.as_bytes()].concat();
            let out = masked(&redactor, &text, &sizes);
            let shown = String::from_utf8_lossy(&out);
            prop_assert!(shown.contains("[REDACTED]"), "{} -> {shown}", String::from_utf8_lossy(&text));
            prop_assert!(!holds(&out, &secret), "{} -> {shown}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn the_cuts_between_chunks_do_not_matter(
        text in "[abc%12&;#+\\\\'\"/ \n]{0,80}",
        secrets in proptest::collection::vec("[abc%12&;' ]{4,8}", 1..4),
        sizes in proptest::collection::vec(1usize..7, 1..5),
    ) {
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let whole = masked(&redactor, text.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(masked(&redactor, text.as_bytes(), &sizes), whole);
    }

    #[test]
    fn what_is_held_back_is_bounded(text in "[hunter2]{0,200}|h{0,400}") {
        let mut stream = Redactor::new(["hunter2hunter2", "hhhh"]).stream();
        for byte in text.bytes() {
            stream.push(&[byte]);
            prop_assert!(stream.buffer.len() < 1024);
        }
    }
}
