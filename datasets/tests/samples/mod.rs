//! A small file of our own in each format: path, format, text.

use proofloop_datasets::Format;

pub(crate) const SAMPLES: &[(&str, Format, &str)] = &[
    (
        "lean.jsonl",
        Format::LeanJsonl,
        r#"{"name":"a","split":"test","informal_prefix":"/-- A. -/\n","formal_statement":"theorem a : 1 = 1 := by\n","goal":"⊢ 1 = 1","header":"import Mathlib\n\n"}"#,
    ),
    (
        "dojo.jsonl",
        Format::LeanDojo,
        r#"{"full_name":"two_is_even","statement":"theorem two_is_even (n : ℕ) (h₀ : n = 2) : Even n","url":"https://example.org/r","commit":"c","file_path":"A/Valid.lean","split":"valid"}"#,
    ),
    (
        "MiniF2F/Valid.lean",
        Format::LeanFile,
        "import A\n\n/-- One. -/\ntheorem one : 1 = 1 := by\n  sorry\n\ndef helper := 2\n\ntheorem known : helper = 2 := by\n  rfl\n\ntheorem two : helper = 2 := sorry\n",
    ),
    (
        "workbook.json",
        Format::LeanWorkbook,
        r#"{"id":"lean_workbook_7","natural_language_statement":"Squares are not negative.","answer":"","tags":["algebra"],"formal_statement":"theorem lean_workbook_7 (a : ℝ) : 0 ≤ a ^ 2  :=  by sorry","split":"lean_workbook","proof":["positivity"],"status":"proved"}
{"natural_language_statement":"Unproved.","formal_statement":"theorem lean_workbook_8 : 1 = 2 := by sorry","proof":[]}"#,
    ),
    ("closed.jsonl", Format::LeanClosed, r#"{"name":"plus_1","statement":"∀ a b : ℝ, a + b = b + a"}"#),
    (
        "proofnet.jsonl",
        Format::ProofNet,
        r#"{"name":"exercise_1_1","source":"Rudin","header":"import Mathlib\n\nopen Real\n","formal_statement":"theorem exercise_1_1 (x : ℝ) :\n  x = x := sorry","formal_proof":"theorem exercise_1_1 (x : ℝ) :\n  x = x := by\n  rfl\n","informal_stmt":"x is x.","informal_proof":"Clear."}
{"name":"exercise_1_2","textbook":"Rudin","header":"import Mathlib\n","helper":"def f := 1","formal_stmt":"theorem exercise_1_2 : f = 1 := by sorry","formal_proof":"theorem exercise_1_2 : f = 1 := by sorry","informal_stmt":"f is 1."}"#,
    ),
    (
        "putnam.jsonl",
        Format::Putnam,
        r#"{"name":"putnam_1","lean4":"import Mathlib\n\nopen Nat\n\nabbrev putnam_1_solution : ℕ := sorry\n-- fun_of 3 + 1\n/--\nFind it.\n-/\ntheorem putnam_1 (n : ℕ) :\n  n = putnam_1_solution :=\nsorry\n","answer":"fun_of 3 + 1","tags":["algebra"],"informal_statement":"Find it."}
{"name":"putnam_2","lean4":"import Mathlib\n\ntheorem putnam_2 : 1 = 1 :=\n  sorry\n","answer":null,"tags":[],"informal_statement":"Show that."}"#,
    ),
    (
        "props.jsonl",
        Format::MiniCodeProps,
        r#"{"full_name":"prop_01","prop_defn":"theorem prop_01 (n: Nat) :\n n = n:= by sorry","prop_loc":"P.lean:1","score":5,"deps":"import Mathlib\ndef g := 1"}
{"name":"prop_02","header":"\n","formal_statement":"theorem prop_02 : 1 = 1:= by","score":5}"#,
    ),
    (
        "library.jsonl",
        Format::Library,
        r#"{"name":"a_b","file":"Batteries/A.lean","line":1,"attrs":"","formal_statement":"theorem a_b [Ord α] (cmp : α → α → Ordering","proof":" compare) :\n    p cmp := by\n  simp","tactic_proof":false,"imports":["Batteries.A","Batteries.B"]}"#,
    ),
    (
        "verina.jsonl",
        Format::Verina,
        r#"{"id":"verina_x","description":"Add one.","lean":"-- !benchmark @start import type=solution\n\n-- !benchmark @end import\n\ndef inc (n : Nat) : Nat :=\n  -- !benchmark @start code\n  n + 1\n  -- !benchmark @end code\n\ndef inc_postcond (n r : Nat) : Prop :=\n  -- !benchmark @start postcond\n  r > n\n  -- !benchmark @end postcond\n\n-- !benchmark @start proof_aux\ntheorem lemma_1 : True := trivial\n-- !benchmark @end proof_aux\n\ntheorem inc_spec_satisfied (n : Nat) :\n    inc_postcond n (inc n) := by\n  -- !benchmark @start proof\n  exact lemma_1\n  -- !benchmark @end proof\n","proof":"  exact lemma_1","proof_aux":"theorem lemma_1 : True := trivial","postcond":"r > n"}"#,
    ),
    (
        "vericoding.jsonl",
        Format::Vericoding,
        r#"{"id":"LA1","language":"lean","source":"apps","vc-preamble":"def Ok (n : Nat) : Prop := n > 0","vc-helpers":"","vc-definitions":"def f : Nat :=\n  sorry","vc-theorems":"theorem f_ok : Ok f := by\n  sorry","vc-postamble":"","license":"MIT","spec_has_axiom":false}"#,
    ),
    (
        "human_eval_lean.jsonl",
        Format::HumanEvalLean,
        r#"{"id":"HumanEval/x","imports":["Std"],"theorems":["lemma_1","f_gt"],"prompt":"def f(n): ...","lean":"module\n\nimport Std\n\ndef f (n : Nat) := n + 1\n\nexample : f 1 = 2 := rfl\n\ntheorem lemma_1 : f 1 = 2 := rfl\n\n@[simp]\ntheorem f_gt {n : Nat}\n    (h : 0 < n) : n < f n := by\n  simp [f]\n\n/-! theorem f_gt -/\nexample : True := trivial\n"}"#,
    ),
    (
        "isabelle.jsonl",
        Format::Isabelle,
        r#"{"name":"t1","split":"valid","imports":["Complex_Main","\"HOL-Number_Theory.Number_Theory\""],"theory":"theory t1 imports Complex_Main\nbegin\n\ntheorem t1:\n  fixes x :: nat\n  assumes \"x = by\"\n  shows \"x = x\"\n  by auto\n\nend\n","formal_statement":"theorem t1:\n  fixes x :: nat\n  assumes \"x = by\"\n  shows \"x = x\"\n  by auto\n\nend","informal":{"problem_name":"t1","informal_statement":"Show it."}}
{"name":"t2","split":"test","imports":["Main"],"theory":"theory t2 imports Main\nbegin\ndefinition \"f = 1\"\n\ntheorem t2: \"f = 1\"\n  sorry\nend\n","formal_statement":"theorem t2: \"f = 1\"\n  sorry\nend","informal":null}"#,
    ),
    (
        "functions.jsonl",
        Format::Functions,
        r#"{"name":"pp_add","split":"valid","topic":"numbers","difficulty":1,"entry_point":"add","prompt":"def add(a, b):\n    \"\"\"Add.\"\"\"\n","canonical_solution":"    return a + b\n","tests":["assert add(1, 2) == 3"],"hidden_tests":["assert add(0, 0) == 0"]}
{"name":"pp_one","entry_point":"one","prompt":"def one():\n","tests":["assert one() == 1"]}"#,
    ),
    (
        "humaneval.jsonl",
        Format::HumanEval,
        r#"{"task_id":"X/0","prompt":"def one():\n","entry_point":"one","canonical_solution":"    return 1\n","test":"def check(candidate):\n    assert candidate() == 1\n"}"#,
    ),
    (
        "plus.jsonl",
        Format::EvalPlus,
        r#"{"task_id":"X/0","prompt":"def f(x):\n","contract":"    assert x\n","canonical_solution":"    return x\n","entry_point":"f","base_input":[[1], [ "]\"" ]],"atol":1e-06,"plus_input":[[123456789012345678901234567890],[1.50]]}
{"task_id":"Mbpp/2","prompt":"\"\"\"Question.\"\"\"\n","canonical_solution":"\ndef g(x):\n    return x\n","entry_point":"g","base_input":[[[1,2]]],"atol":null,"plus_input":[]}"#,
    ),
    (
        "mbpp.jsonl",
        Format::Mbpp,
        r#"{"task_id":601,"text":"One.","code":"def one(): return 1","test_list":["assert one() == 1"],"test_setup_code":"","challenge_test_list":[]}"#,
    ),
    (
        "sanitized.json",
        Format::MbppSanitized,
        r#"[{"source_file":"a","task_id":602,"prompt":"Two.","code":"def two(): return 2","test_imports":["import math"],"test_list":["assert two() == 2"]}]"#,
    ),
    (
        "apps.jsonl",
        Format::Apps,
        r#"{"problem_id":0,"question":"Add.","solutions":"[\"print(sum(map(int, input().split())))\"]","input_output":"{\"inputs\": [\"1 2\\n\", \"4 5\\n\"], \"outputs\": [\"3\\n\", \"9\\n\"]}","difficulty":"introductory","url":"https://example.org","starter_code":""}
{"id":1,"question":"Lines.","solutions":"","input_output":"{\"inputs\": [[\"a\", \"b\"]], \"outputs\": [\"c\"]}","starter_code":""}
{"id":2,"question":"Twice.","solutions":"","input_output":"{\"fn_name\": \"twice\", \"inputs\": [[12345678901234567890123]], \"outputs\": [[2]]}","starter_code":"def twice(x):\n"}"#,
    ),
    (
        "own.jsonl",
        Format::Problem,
        r#"{"name":"own","split":"train","source":"here","kind":{"lean":{"header":"","statement":"theorem own : 2 = 2 := by"}},"known":null,"informal":"","metadata":{"topic":null,"difficulty":null,"origin":null,"license":null}}"#,
    ),
];
