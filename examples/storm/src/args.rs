//! The command line.

use std::error::Error;
use std::path::PathBuf;

use lexopt::Parser;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) clients: u32,
    pub(crate) minutes: u32,
    pub(crate) seed: u64,
    pub(crate) out: PathBuf,
    pub(crate) settings: Option<PathBuf>,
    pub(crate) help: bool,
}

pub(crate) const HELP: &str = "\
What a fleet of retrying clients does to a service that was down, in virtual time.

  --clients N       how many clients (10000; at most 10000000)
  --minutes M       for how many simulated minutes they begin calls (10; at most 60)
  --seed S          another seed is another storm; the same seed is the same one (1)
  --out DIR         where storm.svg and storm.png go (target/storm)
  --settings FILE   another scenario and other policies (those of examples/storm/settings.toml)
";

impl Default for Args {
    fn default() -> Self {
        Args {
            clients: 10_000,
            minutes: 10,
            seed: 1,
            out: PathBuf::from("target/storm"),
            settings: None,
            help: false,
        }
    }
}

impl Args {
    pub(crate) fn read(mut parser: Parser) -> Result<Self, Box<dyn Error>> {
        let mut args = Args::default();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("clients") => args.clients = parser.value()?.parse()?,
                Long("minutes") => args.minutes = parser.value()?.parse()?,
                Long("seed") => args.seed = parser.value()?.parse()?,
                Long("out") => args.out = parser.value()?.into(),
                Long("settings") => args.settings = Some(parser.value()?.into()),
                Short('h') | Long("help") => args.help = true,
                _ => return Err(arg.unexpected().into()),
            }
        }
        if !(1..=10_000_000).contains(&args.clients) {
            return Err("`--clients` is from 1 to 10000000".into());
        }
        if !(1..=60).contains(&args.minutes) {
            return Err("`--minutes` is from 1 to 60".into());
        }
        Ok(args)
    }
}
