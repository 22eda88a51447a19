//! Rounds in which all contenders take turns.

use std::process::Command;

use crate::child::{self, Cost};
use crate::table::median;

/// Somebody who reads a log.
pub struct Contender {
    pub name: String,
    pub command: Command,
    /// What it reads.
    pub bytes: u64,
}

impl Contender {
    pub fn new(name: impl Into<String>, bytes: u64, command: Command) -> Contender {
        Contender { name: name.into(), command, bytes }
    }
}

/// What each contender took in each round.
pub struct Rounds {
    pub names: Vec<String>,
    bytes: Vec<f64>,
    costs: Vec<Vec<Cost>>,
}

impl Rounds {
    /// Lets all read once in each of `n` rounds, each round beginning with another one.
    pub fn run(n: usize, mut contenders: Vec<Contender>) -> Rounds {
        let mut costs = vec![Vec::new(); contenders.len()];
        for round in 0..n {
            for turn in 0..contenders.len() {
                let who = (round + turn) % contenders.len();
                costs[who].push(child::cost(&mut contenders[who].command));
            }
        }
        let bytes = contenders.iter().map(|contender| contender.bytes as f64).collect();
        let names = contenders.into_iter().map(|contender| contender.name).collect();
        Rounds { names, bytes, costs }
    }

    /// GB a second.
    pub fn speed(&self, who: usize) -> String {
        format!("{:.3}", median(self.costs[who].iter().map(|cost| self.bytes[who] / cost.wall / 1e9)))
    }

    /// Seconds of processor for a GiB.
    pub fn cpu(&self, who: usize) -> String {
        format!("{:.2}", median(self.costs[who].iter().map(|cost| cost.cpu / self.bytes[who] * f64::from(1 << 30))))
    }

    /// Seconds of processor for all.
    pub fn cpu_seconds(&self, who: usize) -> f64 {
        median(self.costs[who].iter().map(|cost| cost.cpu))
    }

    /// MiB.
    pub fn memory(&self, who: usize) -> String {
        format!("{:.0}", median(self.costs[who].iter().map(|cost| cost.memory)))
    }

    /// How many times as fast as another, by time that passed and by time of processor: `6.52 (6.60)`.
    pub fn ratio(&self, who: usize, other: Option<usize>) -> String {
        let Some(other) = other else { return "-".into() };
        let by = |time: fn(&Cost) -> f64| {
            let share = self.bytes[who] / self.bytes[other];
            let rounds = self.costs[who].iter().zip(&self.costs[other]);
            median(rounds.map(|(own, others)| time(others) / time(own) * share))
        };
        format!("{:.2} ({:.2})", by(|cost| cost.wall), by(|cost| cost.cpu))
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}
