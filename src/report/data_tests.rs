use super::super::sample_run::{Shape, facts};
use super::*;
use serde_json::{Value, json};

const TINY: Shape =
    Shape { training: 6, held_out: 4, iterations: 2, conjectures: 5, samples: 4, collapses: false, seed: 3 };

/// To four digits: the last ones of a logarithm are the C library's.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!((number.as_f64().unwrap_or_default() * 1e4).round() / 1e4)
        }
        Value::Array(all) => all.into_iter().map(rounded).collect(),
        Value::Object(all) => all.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[test]
fn the_data_of_a_tiny_run() {
    let data = ReportData::of(&facts("tiny", TINY), &[]);
    let value = rounded(serde_json::to_value(&data).expect("serialisable"));
    let fields = value.as_object().expect("an object").iter().map(|(name, value)| {
        let all = value.as_array().filter(|all| !all.is_empty());
        let lines: Option<String> = all.map(|all| all.iter().map(|one| format!("\n  {one}")).collect());
        format!("{name}:{}", lines.unwrap_or_else(|| format!(" {value}")))
    });
    insta::assert_snapshot!(fields.collect::<Vec<_>>().join("\n"), @r##"
    against: []
    alarms:
      {"level":"unknown","name":"Disjunctive conclusions","rule":"Raised when more than 25 % of conclusions are alternatives p ∨ q (training problems: 0 %): they look hard to a rule that rewards low pass rates, and mean little.","seen":"Too little to tell: it takes 30 conjectures in one iteration."}
      {"level":"unknown","name":"Conclusion length","rule":"Raised when conclusions are more than 2 times as long as in the first iteration: length is the cheapest way to be hard.","seen":"Too little to tell: it takes 30 conjectures in two iterations."}
      {"level":"unknown","name":"Distinct statements","rule":"Raised when the share of statements that were not known falls below 50 % of the first iteration's.","seen":"Too little to tell: it takes 30 conjectures in two iterations."}
      {"level":"unknown","name":"Lemma diversity","rule":"Raised when the effective number of lemmas in accepted proofs falls below 50 % of the first iteration's.","seen":"Too little to tell: it takes 30 accepted proofs that name lemmas in two iterations."}
    funnel:
      {"count":10,"lost":"","name":"generated"}
      {"count":10,"lost":"","name":"parsed"}
      {"count":8,"lost":"2 known already","name":"new"}
      {"count":7,"lost":"1 not understood by the prover","name":"well-typed"}
      {"count":7,"lost":"","name":"not trivial"}
      {"count":7,"lost":"","name":"not contradictory"}
      {"count":7,"lost":"","name":"attempted"}
      {"count":3,"lost":"4 no proof found","name":"proved"}
    hardest:
      {"accepted":2,"iteration":1,"lemma":"","level":0,"name":"problem_1","origin":"problem","pass_rate":0.25,"proof":"rfl [List.length_append, h]","proof_chars":27,"samples":8,"seed":null,"text":"theorem problem_1 (a b : Nat) (h : a < b) : a + 1 < b + 1 := by"}
      {"accepted":1,"iteration":1,"lemma":"List.length_append","level":1,"name":"conjecture_1_3","origin":"conjecture","pass_rate":0.25,"proof":"rfl [Nat.mul_comm, h]","proof_chars":21,"samples":4,"seed":"problem_3","text":"theorem conjecture_1_3 (a : Nat) : a * 3 = 3 * a := by"}
      {"accepted":1,"iteration":2,"lemma":"Nat.add_comm","level":1,"name":"conjecture_2_0","origin":"conjecture","pass_rate":0.25,"proof":"simp [Nat.mul_comm, h]","proof_chars":22,"samples":4,"seed":"problem_0","text":"theorem conjecture_2_0 (a : Nat) (h : \"<script>alert(1)</script>\" = \"</pre>\") : a * 0 = 0 * a := by"}
      {"accepted":3,"iteration":1,"lemma":"","level":0,"name":"problem_3","origin":"problem","pass_rate":0.375,"proof":"cases [Int.neg_neg, h]","proof_chars":22,"samples":8,"seed":null,"text":"theorem problem_3 (a b : Nat) (h : a < b) : a + 3 < b + 3 := by"}
      {"accepted":2,"iteration":1,"lemma":"Nat.mul_comm","level":1,"name":"conjecture_1_2","origin":"conjecture","pass_rate":0.5,"proof":"exact [Nat.le_of_lt, h]","proof_chars":23,"samples":4,"seed":"problem_2","text":"theorem conjecture_1_2 (a : Nat) : a * 2 = 2 * a := by"}
    hardest_left_out: 0
    held_out:
      {"first":"before","paired":4,"pass":[{"difference":{"interval":{"high":0.1875,"low":0.0},"problems":4,"standard_error":0.0625,"value":0.0625},"first":{"interval":{"high":0.4899,"low":0.0},"problems":4,"standard_error":0.0,"value":0.0},"k":1,"second":{"interval":{"high":0.1875,"low":0.0},"problems":4,"standard_error":0.0625,"value":0.0625}},{"difference":{"interval":{"high":0.75,"low":0.0},"problems":4,"standard_error":0.25,"value":0.25},"first":{"interval":{"high":0.4899,"low":0.0},"problems":4,"standard_error":0.0,"value":0.0},"k":4,"second":{"interval":{"high":0.75,"low":0.0},"problems":4,"standard_error":0.25,"value":0.25}}],"problems":4,"second":"after","solved":{"first":{"count":0,"interval":{"high":0.4899,"low":0.0},"of":4},"second":{"count":1,"interval":{"high":0.6994,"low":0.0456},"of":4},"test":{"both":0,"neither":3,"only_after":1,"only_before":0,"p_value":1.0}},"split":"test"}
    highlights:
      ["preset","stp-paper"]
      ["seed","3"]
    iterations:
      {"conjectures_attempted":5,"conjectures_proved":2,"disjunctive":0.0,"distinct_samples":43,"diversity":{"effective_lemmas":3.7798,"first_tactics":5,"lemma_proofs":6,"lemmas":4,"proofs":6,"proofs_per_statement":1.5,"statement_share":1.0,"statements":5},"examples":950,"farm_busy":0.95,"generator_busy":0.63,"iteration":1,"lengths":{"conclusion":13.0,"proof":25.6667,"statement":63.0},"loss":1.0,"problems_attempted":6,"problems_proved":2,"samples":44,"screening":{"contradictory":0,"duplicate":0,"generated":5,"ill_typed":0,"new":5,"over_limit":0,"trivial":0,"unjudged":0,"unparsable":0},"stage_seconds":{"conjecture":45.0,"prove":0.528,"select":1.5,"train":60.0},"tokens":528,"verdicts":{"accepted":6,"rejected: elaboration-error":24,"rejected: sorry":8,"timeout":6},"verdicts_per_second":81.4394}
      {"conjectures_attempted":2,"conjectures_proved":1,"disjunctive":0.0,"distinct_samples":32,"diversity":{"effective_lemmas":3.0,"first_tactics":3,"lemma_proofs":3,"lemmas":3,"proofs":3,"proofs_per_statement":1.0,"statement_share":0.6,"statements":3},"examples":1000,"farm_busy":0.95,"generator_busy":0.66,"iteration":2,"lengths":{"conclusion":13.0,"proof":23.6667,"statement":63.0},"loss":0.6667,"problems_attempted":6,"problems_proved":2,"samples":32,"screening":{"contradictory":0,"duplicate":2,"generated":5,"ill_typed":1,"new":2,"over_limit":0,"trivial":0,"unjudged":0,"unparsable":0},"stage_seconds":{"conjecture":45.0,"prove":0.384,"select":1.5,"train":60.0},"tokens":384,"verdicts":{"accepted":3,"rejected: elaboration-error":25,"rejected: sorry":3,"timeout":1},"verdicts_per_second":83.3333}
    ks:
      1
      8
    name: "tiny"
    pass_rates:
      {"count":4,"label":"0"}
      {"count":0,"label":"0–1/8"}
      {"count":2,"label":"1/8–1/4"}
      {"count":0,"label":"1/4–3/8"}
      {"count":1,"label":"3/8–1/2"}
      {"count":0,"label":"1/2–5/8"}
      {"count":0,"label":"5/8–3/4"}
      {"count":0,"label":"3/4–7/8"}
      {"count":0,"label":"7/8–1"}
    settings: "[settings]\npreset = \"stp-paper\"\nseed = 3\n[settings.evaluation]\nks = [1, 8]\n"
    solved:
      {"name":"tiny","of":6,"points":[{"solved":0,"verified":0},{"solved":2,"verified":44},{"solved":2,"verified":76}]}
    summary: {"conjectures":7,"conjectures_proved":3,"iterations":2,"proofs":9,"samples":76,"seconds":215.196,"shown":0,"solved":{"count":2,"interval":{"high":0.7,"low":0.0968},"of":6}}
    "##);
}

#[test]
fn counts_agree_with_each_other() {
    let shape = Shape { training: 30, held_out: 10, conjectures: 40, samples: 8, ..TINY };
    let facts = facts("counts", shape);
    let data = ReportData::of(&facts, &[]);
    let attempted: u64 = data.iterations.iter().map(|one| one.conjectures_attempted).sum();
    let step = |name| data.funnel.iter().find(|step| step.name == name).map(|step| step.count);
    assert_eq!(step("generated"), Some(80));
    assert_eq!(step("attempted"), Some(attempted));
    assert_eq!(step("attempted"), Some(data.summary.conjectures));
    assert_eq!(step("proved"), Some(data.summary.conjectures_proved));
    assert_eq!(data.pass_rates.iter().map(|bin| bin.count).sum::<u64>(), attempted);
    assert_eq!(data.pass_rates[0].count, attempted - data.summary.conjectures_proved);
    for one in &data.iterations {
        assert_eq!(one.verdicts.values().sum::<u64>(), one.samples);
        assert!(one.distinct_samples <= one.samples && one.diversity.proofs <= one.distinct_samples);
        assert_eq!(one.problems_attempted, 30);
    }
    let last = data.solved[0].points.last().expect("points");
    assert_eq!(
        (last.verified, Some(last.solved)),
        (data.summary.samples, data.summary.solved.map(|s| s.count))
    );
    assert!(data.hardest.windows(2).all(|pair| pair[0].pass_rate <= pair[1].pass_rate));
    assert_eq!(data.hardest.len() as u64, last.solved + data.summary.conjectures_proved);
}

#[test]
fn shown_problems_are_not_to_be_solved() {
    let mut facts = facts("shown", TINY);
    let all = ReportData::of(&facts, &[]).summary.solved.map(|share| share.of);
    facts.statements[0].known = Some("\n  rfl".to_owned());
    let data = ReportData::of(&facts, &[]);
    assert_eq!((all, data.summary.solved.map(|share| share.of), data.summary.shown), (Some(6), Some(5), 1));
    assert!(data.solved[0].points.windows(2).all(|pair| pair[0].solved <= pair[1].solved));
}

#[test]
fn counts_of_a_stage_stand_in_for_records() {
    let mut facts = facts("older", TINY);
    let screening = json!({"generated": 9, "unparsable": 2, "new": 4, "unheard_of": 1});
    for stage in facts.stages.iter_mut().filter(|stage| stage.stage == "conjecture") {
        stage.detail = json!({ "screening": screening });
    }
    facts.conjectures.clear();
    let data = ReportData::of(&facts, &[]);
    assert_eq!(data.funnel[0].count, 18);
    assert_eq!(data.iterations[0].screening.map(|one| (one.parsed(), one.new)), Some((7, 4)));
    assert_eq!(data.iterations[0].lengths.statement, None);
}

#[test]
fn a_baseline_is_compared_on_its_own_numbers() {
    let baseline = facts("baseline", Shape { conjectures: 0, seed: 4, ..TINY });
    let data = ReportData::of(&facts("run", TINY), &[baseline]);
    assert_eq!(data.solved.iter().map(|curve| curve.name.as_str()).collect::<Vec<_>>(), ["run", "baseline"]);
    assert_eq!(data.against.len(), 1);
    let against = &data.against[0];
    assert_eq!((against.first.as_str(), against.second.as_str(), against.paired), ("baseline", "run", 4));
}
