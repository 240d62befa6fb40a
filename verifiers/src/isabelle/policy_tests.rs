//! What is refused, and what honest proofs look like.

use super::*;

fn refused(text: &str) -> Option<Reason> {
    completion(text, Rules::Strict).err().map(|finding| finding.reason)
}

#[test]
fn every_way_to_cheat_is_refused_by_name() {
    for (text, reason) in [
        ("sorry", Reason::Sorry),
        ("\\<proof>", Reason::Sorry),
        ("proof - show ?thesis sorry qed", Reason::Sorry),
        ("by(simp)sorry", Reason::Sorry),
        ("apply 1sorry", Reason::Sorry),
        ("oops", Reason::MissingDeclaration),
        ("sorry\nML_val \\<open>1\\<close>", Reason::MetaCode),
        ("ML_prf \\<open>OS.Process.exit OS.Process.success\\<close> by simp", Reason::MetaCode),
        ("by simp\nML \\<open>1\\<close>", Reason::MetaCode),
        ("by simp\nsetup \\<open>I\\<close>", Reason::MetaCode),
        ("by simp\nmethod_setup m = \\<open>x\\<close>", Reason::MetaCode),
        ("by simp\nSML_file \"a\"", Reason::MetaCode),
        ("by simp\nexport_code f in SML", Reason::MetaCode),
        ("by (tactic \\<open>all_tac\\<close>)", Reason::MetaCode),
        ("by (\"tactic\" \\<open>all_tac\\<close>)", Reason::MetaCode),
        ("by (Pure.tactic \\<open>all_tac\\<close>)", Reason::MetaCode),
        ("by (\"\\116actic\" \\<open>all_tac\\<close>)", Reason::MetaCode),
        ("apply (raw_tactic \\<open>x\\<close>) done", Reason::MetaCode),
        ("txt \\<open>@{ML \\<open>1\\<close>}\\<close> by simp", Reason::MetaCode),
        ("\\<comment> \\<open>\\<^ML>\\<open>1\\<close>\\<close> by simp", Reason::MetaCode),
        ("using [[quick_and_dirty]] by simp", Reason::ForbiddenOption),
        ("using [[\"quick_and_dirty\" = true]] by simp", Reason::ForbiddenOption),
        ("using [[smt_oracle]] by smt", Reason::ForbiddenOption),
        ("using [[ML_print_depth = 3]] by simp", Reason::ForbiddenOption),
        ("by simp\naxiomatization where a: False", Reason::Axiom),
        ("by simp\noracle foo = \\<open>x\\<close>", Reason::Axiom),
        ("by simp\ndeclare [[quick_and_dirty]]", Reason::StatementMismatch),
        ("by simp\nno_notation plus (infixl \"+\" 65)", Reason::StatementMismatch),
        ("by simp thm_oracles x", Reason::MetaCode),
        ("by simp\nlemma u: \"True\" by simp", Reason::Malformed),
        ("by simp\nend\nend", Reason::Malformed),
        ("by simp\nend theory x imports Main begin", Reason::StatementMismatch),
        ("by simp (* open", Reason::Malformed),
        ("by simp \"", Reason::Malformed),
        ("proof -", Reason::Malformed),
        ("apply simp", Reason::Malformed),
        ("", Reason::Malformed),
        ("end", Reason::Malformed),
        ("lemma x: \"True\" by simp", Reason::Malformed),
        ("proof - have \"x\" by simp qed by simp qed", Reason::Malformed),
        ("by simp by simp", Reason::Malformed),
        ("by simp auto my_command", Reason::Malformed),
        ("by simp my_command \\<open>x\\<close>", Reason::Malformed),
        ("done my_command", Reason::Malformed),
        ("proof qed simp my_command", Reason::Malformed),
    ] {
        assert_eq!(refused(text), Some(reason), "{text}");
    }
}

#[test]
fn honest_proofs_are_left_alone() {
    for text in [
        "by simp",
        "  using assms (* sorry, no better way *)\n  by (auto simp: field_simps)",
        "proof (induct n)\n  case 0\n  then show ?case by simp\nnext\n  case (Suc n)\n  have \"x = y\" if \"y\" for y by blast\n  \
         with Suc show ?case ..\nqed",
        "apply (subst foo)\n  subgoal by simp\n  subgoal for x y\n    apply auto\n    done\n  done",
        "proof -\n  obtain x where x: \"P x\" using assms by blast\n  { fix y have \"Q y\" . }\n  moreover\n  consider (a) \"A\" | (b) \"B\" by auto\n  \
         then show ?thesis\n  proof cases\n    case a\n    then show ?thesis by simp\n  qed auto\nqed",
        "unfolding tactic_def using [[linarith_split_limit=10]] by linarith",
        "sledgehammer\n  by simp",
        "by simp\n\nend",
        "by (metis sorry_free h.ML_lemma)",
        "using h by (intro exI[of _ \\<open>1::nat\\<close>]) simp\\<comment> \\<open>plain words\\<close>",
        "by (simp add: x\\<^sub>1_def)",
        "by (induct n; simp)+ auto[1]",
        "by -",
        "by (rule foo) (auto, blast?)",
    ] {
        assert_eq!(refused(text), None, "{text}");
    }
    let proof = completion("by simp\n\nend\n", Rules::Strict).expect("a proof");
    assert_eq!(proof.text, "by simp");
}

#[test]
fn rules_differ_in_what_they_allow() {
    let evaluation = "Code_Generator.holds_by_evaluation";
    assert_eq!(Rules::Strict.offence_of_oracle(evaluation), Some(Reason::NativeEvaluation));
    assert_eq!(Rules::Evaluation.offence_of_oracle(evaluation), None);
    for rules in [Rules::Strict, Rules::Evaluation, Rules::Stp] {
        assert_eq!(rules.offence_of_oracle("Pure.skip_proof"), Some(Reason::Sorry));
        assert_eq!(rules.offence_of_oracle("Draft.cheat"), Some(Reason::Axiom));
    }
    let slow = completion("by (metis foo)", Rules::Stp).expect_err("refused");
    assert_eq!((slow.reason, slow.name.as_str()), (Reason::ForbiddenTactic, "metis"));
    assert!(completion("by (metis foo)", Rules::Strict).is_ok());
    let replaced = completion("proof - show ?thesis sledgehammer qed", Rules::Stp).expect("a proof").text;
    assert_eq!(replaced, format!("proof - show ?thesis {INSTEAD_OF_SLEDGEHAMMER} qed"));
}
