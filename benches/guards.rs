//! What budgets and breakers cost a call.

fn main() {}
