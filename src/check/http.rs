//! Judging what an HTTP server answered, to one request or to many.

use super::evaluate::both;
use super::text::{Seen, evaluate_text};
use crate::domain::{HttpCheck, HttpSeen, MissingValue, Observation, Spread, Values, Verdict};
use regex::RegexBuilder;
use std::collections::BTreeMap;

/// How many characters of a server's name count.
const NAME: usize = 64;

/// Judges the answers `seen` by `wanted`: each of them, and where they are to be spread, who gave how many of them.
pub(super) fn evaluate_http(
    wanted: &HttpCheck,
    values: &Values,
    seen: &[Observation],
) -> Result<Verdict, MissingValue> {
    let requests = wanted.spread.as_ref().map_or(1, |spread| spread.requests);
    let mut answers = Vec::new();
    for (index, observation) in seen.iter().enumerate() {
        let judged = match observation {
            Observation::Http(answer) => {
                answers.push(answer);
                evaluate_answer(wanted, values, answer)?
            }
            Observation::HttpSilent { reason } => Verdict {
                expected: format!("status {}", wanted.status),
                actual: format!("no answer: {reason}"),
                ..Verdict::default()
            },
            _ => return Ok(does_not_fit()),
        };
        if !judged.holds && requests > 1 {
            let actual = format!("request {} of {requests}: {}", index + 1, judged.actual);
            return Ok(Verdict { actual, ..judged });
        }
        if requests == 1 {
            return Ok(judged);
        }
    }
    match &wanted.spread {
        Some(spread) if answers.len() == spread.requests => Ok(evaluate_spread(spread, &answers)),
        _ => Ok(does_not_fit()),
    }
}

fn does_not_fit() -> Verdict {
    Verdict {
        expected: "an observation that fits the check".to_owned(),
        actual: "another one, or none".to_owned(),
        ..Verdict::default()
    }
}

fn evaluate_answer(wanted: &HttpCheck, values: &Values, seen: &HttpSeen) -> Result<Verdict, MissingValue> {
    let status = Verdict {
        holds: seen.status == wanted.status,
        expected: format!("status {}", wanted.status),
        actual: format!("status {}", seen.status),
        ..Verdict::default()
    };
    if wanted.body.is_empty() {
        return Ok(status);
    }
    let body = Seen {
        what: "body",
        bytes: &seen.body,
        complete: seen.dropped == 0,
    };
    Ok(both(status, evaluate_text(body, &wanted.body, values)?))
}

/// Counts who gave which of the `answers`.
fn evaluate_spread(spread: &Spread, answers: &[&HttpSeen]) -> Verdict {
    let most = (2 * spread.requests as u64).div_euclid(spread.over.max(1) as u64);
    let mut verdict = Verdict {
        expected: format!(
            "{} requests are answered by {} servers, none of which answers more than {most}",
            spread.requests, spread.over
        ),
        ..Verdict::default()
    };
    // The loader has compiled it once.
    let Ok(name) = RegexBuilder::new(&spread.by).multi_line(true).build() else {
        return verdict;
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (index, answer) in answers.iter().enumerate() {
        let body = String::from_utf8_lossy(&answer.body);
        let Some(server) = name.captures(&body).and_then(|found| found.get(1)) else {
            verdict.actual = format!(
                "answer {} does not say who gave it: nothing is like /{}/",
                index + 1,
                spread.by
            );
            return verdict;
        };
        let server: String = server.as_str().chars().take(NAME).collect();
        *counts.entry(server).or_default() += 1;
    }
    verdict.holds = counts.len() == spread.over && counts.values().all(|count| *count <= most);
    verdict.actual = told(&counts);
    verdict.counts = counts;
    verdict
}

fn told(counts: &BTreeMap<String, u64>) -> String {
    let servers = if counts.len() == 1 { "server" } else { "servers" };
    let each: Vec<String> = counts
        .iter()
        .map(|(server, count)| format!("{server} {count}"))
        .collect();
    format!("{} {servers} answered: {}", counts.len(), each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Text, TextMatch};

    fn check(requests: usize, over: usize) -> HttpCheck {
        HttpCheck {
            host: Text::literal("node-2"),
            port: 80,
            path: Text::literal("/"),
            host_header: None,
            form: Vec::new(),
            status: 200,
            body: TextMatch::default(),
            user: None,
            spread: Some(Spread {
                requests,
                by: "from ([a-z]+)".to_owned(),
                over,
            }),
        }
    }

    fn from(server: &str) -> Observation {
        answer(200, &format!("served from {server}"))
    }

    fn answer(status: u16, body: &str) -> Observation {
        Observation::Http(HttpSeen {
            status,
            headers: BTreeMap::new(),
            body: body.as_bytes().to_vec(),
            dropped: 0,
        })
    }

    fn judged(check: &HttpCheck, seen: &[Observation]) -> Verdict {
        evaluate_http(check, &Values::default(), seen).unwrap()
    }

    #[test]
    fn requests_that_all_servers_share_are_spread_and_counted() {
        let seen = ["a", "b", "c", "a"].map(from);
        let verdict = judged(&check(4, 3), &seen);
        assert!(verdict.holds, "{verdict:?}");
        assert_eq!(verdict.actual, "3 servers answered: a 2, b 1, c 1");
        assert_eq!(verdict.counts.values().sum::<u64>(), 4);
    }

    #[test]
    fn a_server_that_answers_over_twice_its_share_fails_and_the_counts_say_so() {
        let verdict = judged(&check(4, 4), &["a", "a", "a", "b"].map(from));
        assert!(!verdict.holds);
        assert_eq!(verdict.counts["a"], 3);
        let unfair = judged(&check(6, 3), &["a", "a", "a", "a", "a", "b"].map(from));
        assert!(!unfair.holds);
        let skewed = judged(&check(6, 2), &["a", "a", "a", "a", "a", "b"].map(from));
        assert!(skewed.holds, "5 of 6 is not over twice the half of them");
        let missing = judged(&check(4, 3), &["a", "b", "a", "b"].map(from));
        assert!(!missing.holds, "a third server never answered");
        let more = judged(&check(4, 3), &["a", "b", "c", "d"].map(from));
        assert!(!more.holds, "a fourth server answered");
    }

    #[test]
    fn one_answer_that_fails_fails_all_and_is_named() {
        let verdict = judged(&check(3, 1), &[from("a"), answer(503, "no server"), from("a")]);
        assert!(!verdict.holds);
        assert_eq!(verdict.actual, "request 2 of 3: status 503");
        let silent = Observation::HttpSilent {
            reason: "connection refused".to_owned(),
        };
        let verdict = judged(&check(2, 1), &[from("a"), silent]);
        assert_eq!(verdict.actual, "request 2 of 2: no answer: connection refused");
    }

    #[test]
    fn answers_that_do_not_say_who_gave_them_or_are_too_few_prove_nothing() {
        let verdict = judged(&check(2, 1), &[answer(200, "hello"), from("a")]);
        assert!(!verdict.holds);
        assert!(
            verdict.actual.starts_with("answer 1 does not say who gave it"),
            "{}",
            verdict.actual
        );
        assert!(!judged(&check(2, 1), &[from("a")]).holds);
        assert!(!judged(&check(2, 1), &[]).holds);
    }
}
