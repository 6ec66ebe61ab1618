-- Ask an execution, named by its id or its key: resume.
SELECT resumer.resume(
  resumer.find(%(key)s), data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text,
  force => %(force)s, pause_number => %(pause_number)s::integer) AS request
