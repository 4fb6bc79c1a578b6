//! Feeds parsers with what others could write: valid inputs, damaged in ways that a seed chooses, and bytes without any sense.
//!
//! Responsible for running a target, for the bounds on each input, and for telling of an input that breaks one so that it can be
//! had again. The unit tests of several crates include it by its path; it knows nothing of what is parsed.
//!
//! - `LABCTL_FUZZ_CASES`: how many inputs; 10,000 where it is not set.
//! - `LABCTL_FUZZ_SEED`: what they are made from; 1 where it is not set, so that two runs of the tests do the same.
//! - `LABCTL_FUZZ_CASE`: only the input of this number.

mod dice;
mod mutation;

use dice::Dice;
use mutation::Mutator;
use peak_alloc::PeakAlloc;
use std::any::Any;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The largest input, in bytes.
const LARGEST: usize = 64 << 10;
/// How long one input may take, in a debug build as well.
const TIME: Duration = Duration::from_millis(100);
/// What an input may allocate at once besides what its length allows, in bytes.
const MEMORY: usize = 1 << 20;
/// What it may allocate for each of its bytes.
const MEMORY_PER_BYTE: usize = 256;
/// How long an input is waited for. There is no way to stop a thread, so the process ends then.
const HANGING: Duration = Duration::from_secs(60);
/// How often a smaller input that fails as well is looked for.
const SHRINKING: usize = 2_000;

/// A parser, what it is fed with, and its bounds.
pub(crate) struct Target {
    name: &'static str,
    mutator: Mutator,
    /// Puts lengths right in most inputs; otherwise hardly any length would be that of what follows.
    pub(crate) mend: Option<fn(&mut [u8])>,
    time: Duration,
    /// What an input may allocate at once besides what its length allows, in bytes: more where the parser has a bound of its own.
    pub(crate) memory: usize,
    share: u64,
}

impl Target {
    /// Makes the target `name`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            mutator: Mutator::default(),
            mend: None,
            time: TIME,
            memory: MEMORY,
            share: 1,
        }
    }

    /// Adds valid inputs.
    pub(crate) fn seeds<T: AsRef<[u8]>>(mut self, seeds: impl IntoIterator<Item = T>) -> Self {
        for seed in seeds {
            assert!(seed.as_ref().len() <= LARGEST, "{}: a seed is too large", self.name);
            self.mutator.seeds.push(seed.as_ref().to_vec());
        }
        self
    }

    /// Adds words that mean something to the parser.
    pub(crate) fn words<T: AsRef<[u8]>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        let words = words.into_iter().map(|word| word.as_ref().to_vec());
        self.mutator.words.extend(words);
        self
    }

    /// Sets how long one input may take.
    pub(crate) fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Takes one of `share` inputs only: each takes long.
    pub(crate) fn one_of(mut self, share: u64) -> Self {
        self.share = share;
        self
    }

    fn input(&self, seed: u64, case: u64) -> Vec<u8> {
        let mut dice = Dice::new(seed, case);
        let mut input = self.mutator.input(&mut dice, LARGEST);
        if let Some(mend) = self.mend
            && !dice.once_in(4)
        {
            mend(&mut input);
        }
        input
    }

    /// Feeds `read` with inputs. It says whether it took the input, and panics where it took it wrongly.
    pub(crate) fn run(self, read: impl Fn(&[u8]) -> bool) {
        let seed = number("LABCTL_FUZZ_SEED").unwrap_or(1);
        let cases = number("LABCTL_FUZZ_CASES").unwrap_or(10_000).div_ceil(self.share);
        let only = number("LABCTL_FUZZ_CASE");
        let run = Run {
            target: &self,
            seed,
            read: &read,
        };
        let (first, last) = only.map_or((0, cases), |only| (only, only + 1));
        let progress = Progress::begin(self.name, seed);
        let began = Instant::now();
        let (mut taken, mut slowest) = (0_u64, Duration::ZERO);
        for case in first..last {
            progress.note(case);
            let input = self.input(seed, case);
            match run.feed(&input) {
                Ok((took, is_taken)) => {
                    taken += u64::from(is_taken);
                    slowest = slowest.max(took);
                }
                Err(fault) => run.tell(case, input, fault),
            }
        }
        progress.end();
        eprintln!(
            "fuzz {}: {} inputs of seed {seed}, {taken} taken, slowest {slowest:?}, {:.1} s in all",
            self.name,
            last - first,
            began.elapsed().as_secs_f64()
        );
        assert!(
            taken > 0 || last - first < 1_000,
            "{}: not one input was taken, so only the refusals are tested",
            self.name
        );
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

/// A target at work.
struct Run<'a, R> {
    target: &'a Target,
    seed: u64,
    read: &'a R,
}

impl<R: Fn(&[u8]) -> bool> Run<'_, R> {
    /// Feeds one input; says how long it took and whether it was taken, or what is wrong.
    fn feed(&self, input: &[u8]) -> Result<(Duration, bool), String> {
        let mut shortest = Duration::MAX;
        // Somebody else may have had the processor: only an input that is slow each time is slow.
        for _ in 0..4 {
            ALLOCATOR.reset_peak_usage();
            let before = ALLOCATOR.current_usage();
            let began = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.read)(input)));
            shortest = shortest.min(began.elapsed());
            let peak = ALLOCATOR.peak_usage().saturating_sub(before);
            let is_taken = outcome.map_err(|panic| format!("panicked: {}", words_of(&*panic)))?;
            let allowed = self.target.memory + MEMORY_PER_BYTE * input.len();
            if peak > allowed {
                return Err(format!("allocated {peak} bytes, of {allowed}"));
            }
            if shortest <= self.target.time {
                return Ok((shortest, is_taken));
            }
        }
        Err(format!("took {shortest:?}, of {:?}", self.target.time))
    }

    /// Fails with the smallest input that is found to fail as `input` does.
    fn tell(&self, case: u64, input: Vec<u8>, fault: String) -> ! {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let (input, fault) = self.shrink(input, fault);
        std::panic::set_hook(hook);
        panic!(
            "{} {fault}\ninput of {} bytes: b\"{}\"\nonce more: LABCTL_FUZZ_SEED={} LABCTL_FUZZ_CASE={case}",
            self.target.name,
            input.len(),
            input.escape_ascii(),
            self.seed,
        )
    }

    fn shrink(&self, mut input: Vec<u8>, mut fault: String) -> (Vec<u8>, String) {
        let (mut tries, mut piece) = (0, input.len() / 2);
        while piece > 0 {
            let mut at = 0;
            while at < input.len() {
                tries += 1;
                if tries > SHRINKING {
                    return (input, fault);
                }
                let mut smaller = input.clone();
                smaller.drain(at..(at + piece).min(input.len()));
                match self.feed(&smaller) {
                    Err(found) => (input, fault) = (smaller, found),
                    Ok(_) => at += piece,
                }
            }
            piece /= 2;
        }
        (input, fault)
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of no text")
}

/// Which input is being read, where it can be found after the process has died of it.
struct Progress {
    path: PathBuf,
    file: std::fs::File,
    current: Arc<AtomicU64>,
}

impl Progress {
    fn begin(name: &'static str, seed: u64) -> Self {
        let program = std::env::current_exe().unwrap();
        let directory = program.parent().unwrap().join("fuzz");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{name}-{}", std::process::id()));
        let file = std::fs::File::create(&path).unwrap();
        eprintln!(
            "fuzz {name}: should the process die, {} holds LABCTL_FUZZ_CASE",
            path.display()
        );
        let current = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&current);
        std::thread::spawn(move || {
            let mut last = (u64::MAX, Instant::now());
            while let Some(current) = watched.upgrade() {
                let case = current.load(Ordering::Relaxed);
                drop(current);
                if case != last.0 {
                    last = (case, Instant::now());
                } else if last.1.elapsed() > HANGING {
                    eprintln!("fuzz {name} hangs: LABCTL_FUZZ_SEED={seed} LABCTL_FUZZ_CASE={case}");
                    std::process::abort();
                }
                std::thread::park_timeout(Duration::from_millis(500));
            }
        });
        Self { path, file, current }
    }

    fn note(&self, case: u64) {
        self.current.store(case, Ordering::Relaxed);
        self.file.write_all_at(format!("{case:<20}\n").as_bytes(), 0).unwrap();
    }

    fn end(&self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}
