# Perplexity, multiple choice, written texts: a job for each variant, so that a run resumes where it ended.


rule perplexity:
    input:
        variant=f"{RESULTS}/variants/{{variant}}.json",
        texts=texts(RUN.perplexity),
    output:
        f"{RESULTS}/perplexity/{{variant}}.json",
    log:
        f"{RESULTS}/logs/perplexity/{{variant}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    params:
        code=fingerprint("benchmarks.accuracy.perplexity"),
        texts=lambda wildcards, input: repeated("text", input.texts),
        documents=optional("documents", RUN.perplexity.documents),
        window=RUN.perplexity.window,
        runtime=RUNTIME,
    shell:
        "python -m benchmarks perplexity --variant {input.variant:q} {params.texts} "
        "{params.documents} --window {params.window} {params.runtime} --threads {threads} "
        "--out {output:q} 2>&1 | tee {log:q}"


rule multiple_choice:
    input:
        variant=f"{RESULTS}/variants/{{variant}}.json",
        tasks=lambda wildcards: [
            f"{TASKS}/{task}" for task in RUN.multiple_choice[wildcards.suite].tasks
        ],
    output:
        f"{RESULTS}/multiple_choice/{{suite}}/{{variant}}.json",
    log:
        f"{RESULTS}/logs/multiple_choice/{{suite}}/{{variant}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    params:
        code=fingerprint("benchmarks.accuracy.multiple_choice"),
        tasks=lambda wildcards: shlex.quote(
            json.dumps(RUN.multiple_choice[wildcards.suite].tasks)
        ),
        runtime=RUNTIME,
        seed=RUN.seed,
        folder=TASKS,
    shell:
        "python -m benchmarks multiple-choice --variant {input.variant:q} --tasks {params.tasks} "
        "--folder {params.folder} {params.runtime} --threads {threads} --seed {params.seed} "
        "--out {output:q} 2>&1 | tee {log:q}"


rule generation:
    input:
        variant=f"{RESULTS}/variants/{{variant}}.json",
        examples="resources/generation/{task}.jsonl",
    output:
        f"{RESULTS}/generation/{{task}}/{{variant}}.json",
    log:
        f"{RESULTS}/logs/generation/{{task}}/{{variant}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    params:
        code=fingerprint("benchmarks.accuracy.text_generation"),
        task=lambda wildcards: GENERATION_TASKS[wildcards.task].model_dump_json(),
        documents=lambda wildcards: optional(
            "documents", RUN.generation.tasks[wildcards.task]
        ),
        batch=RUN.generation.batch,
        runtime=RUNTIME,
    shell:
        "python -m benchmarks generation --variant {input.variant:q} --task {wildcards.task:q} "
        "--examples {input.examples:q} {params.documents} --batch {params.batch} {params.runtime} "
        "--threads {threads} --out {output:q} 2>&1 | tee {log:q}"
