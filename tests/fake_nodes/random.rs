//! What holds of every run, whatever the lab and however its steps end.

use super::labs::{plan, step};
use super::stage::{Ran, Stage};
use labctl::domain::{Ending, EventKind, Plan, StepKey};
use labctl::node::NodeErrorKind;
use labctl::node::fake::FakeAnswer;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A step of a random lab: its node, which of the earlier steps it waits for, how it ends, how long it takes.
#[derive(Debug, Clone)]
struct Drawn {
    node: usize,
    after: Vec<prop::sample::Index>,
    end: u8,
    seconds: u64,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let after = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (0_usize..3, after, 0_u8..16, 0_u64..90).prop_map(|(node, after, end, seconds)| Drawn {
        node,
        after,
        end,
        seconds,
    })
}

fn answer(end: u8) -> FakeAnswer {
    match end {
        0 => FakeAnswer::exited(1),
        1 => FakeAnswer::ended(Ending::Signalled { signal: 9 }),
        2 => FakeAnswer::failed(NodeErrorKind::Unreachable, "connection reset"),
        3 => FakeAnswer::failed(NodeErrorKind::NodeFault, "no space left on device"),
        _ => FakeAnswer::exited(0).stdout("done\n"),
    }
}

fn plan_of(steps: &[Drawn]) -> Plan {
    let written = steps.iter().enumerate().map(|(number, drawn)| {
        let names: Vec<String> = drawn
            .after
            .iter()
            .filter(|_| number > 0)
            .map(|index| format!("s{}", index.index(number.max(1))))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        step(
            &format!("s{number}"),
            &format!("node-{}", drawn.node),
            &format!("work {number};"),
        )
        .after(&names)
    });
    plan(written.collect())
}

fn run_of(steps: &[Drawn], keep_going: bool, stop_after: Option<u64>) -> (Plan, Ran) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stage = Stage::new(&["node-0", "node-1", "node-2"]);
        stage.keep_going = keep_going;
        for (number, drawn) in steps.iter().enumerate() {
            let answer = answer(drawn.end).takes(Duration::from_secs(drawn.seconds));
            let machine = stage.machine(&format!("node-{}", drawn.node));
            machine.fake.answer(&format!("work {number};"), answer);
        }
        if let Some(seconds) = stop_after {
            let stop = stage.stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                stop.cancel();
            });
        }
        let plan = plan_of(steps);
        let ran = stage.run(&plan).await;
        (plan, ran)
    })
}

fn ends(ran: &Ran) -> BTreeMap<StepKey, Vec<usize>> {
    let mut ends: BTreeMap<StepKey, Vec<usize>> = BTreeMap::new();
    for (at, event) in ran.events.iter().enumerate() {
        if let EventKind::StepFinished { step, .. } = &event.kind {
            ends.entry(step.clone()).or_default().push(at);
        }
    }
    ends
}

fn is_terminal(kind: &EventKind) -> bool {
    matches!(kind, EventKind::RunFinished { .. } | EventKind::RunAborted { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn every_run_keeps_the_contract_of_its_events(
        steps in prop::collection::vec(drawn(), 1..9),
        keep_going in any::<bool>(),
        stop_after in prop::option::weighted(0.25, 0_u64..120),
    ) {
        let (plan, ran) = run_of(&steps, keep_going, stop_after);
        prop_assert!(ran.result.is_ok());
        let planned: BTreeSet<StepKey> = plan.steps.iter().map(|step| step.key.clone()).collect();
        let ends = ends(&ran);
        prop_assert_eq!(ends.keys().cloned().collect::<BTreeSet<_>>(), planned, "every planned step ends");
        prop_assert!(ends.values().all(|ends| ends.len() == 1), "each exactly once: {:?}", ends);
        for step in &plan.steps {
            let starts: Vec<usize> = ran.events.iter().enumerate().filter_map(|(at, event)| match &event.kind {
                EventKind::StepStarted { step: started, .. } if *started == step.key => Some(at),
                _ => None,
            }).collect();
            prop_assert!(starts.len() <= 1);
            for start in starts {
                prop_assert!(start < ends[&step.key][0]);
                for before in &step.after {
                    prop_assert!(ends[before][0] < start, "{} began before {} had ended", step.key, before);
                }
            }
        }
        let begins = matches!(ran.events[0].kind, EventKind::RunStarted { .. });
        prop_assert!(begins, "{:?}", ran.events[0]);
        prop_assert!(is_terminal(&ran.events.last().unwrap().kind), "{:?}", ran.events.last());
        prop_assert_eq!(ran.events.iter().filter(|event| is_terminal(&event.kind)).count(), 1);
        for pair in ran.events.windows(2) {
            prop_assert_eq!(pair[0].index + 1, pair[1].index);
        }
        let counts = ran.summary().counts;
        let counted = counts.passed + counts.already_held + counts.failed + counts.could_not_run
            + counts.skipped + counts.superseded;
        prop_assert_eq!(counted, plan.steps.len(), "each is counted once");
    }
}
