//! `decide-rounds QUEUED WORKERS LOOKS DECISIONS`: makes so many looks at one pool and decides on the first of them, for
//! a tool that counts instructions. What more decisions on as many looks add is their cost.

use std::process::ExitCode;

use awp_law::Pool;
use awp_law::scaling::decide;

fn main() -> ExitCode {
    let numbers: Vec<u32> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    let [queued, workers, looks, decisions] = numbers[..] else {
        eprintln!("usage: decide-rounds QUEUED WORKERS LOOKS DECISIONS");
        return ExitCode::FAILURE;
    };
    let mut pool = Pool::at_work(queued.into(), workers);
    let looks: Vec<_> = (0..looks).map(|look| pool.look(look)).collect();
    for (now, seen) in looks.iter().take(decisions as usize) {
        let (state, decision) = decide(&pool.state, &pool.settings, seen, *now);
        pool.state = state;
        std::hint::black_box(decision);
    }
    ExitCode::SUCCESS
}
