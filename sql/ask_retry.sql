-- Ask an execution, named by its id or its key: retry.
SELECT resumer.retry(
  resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text, from_step => %(from_step)s::text,
  skip_effect => %(skip_effect)s::text, pause_number => %(pause_number)s::integer) AS request
