package peer.modulith;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.support.converter.JacksonJsonMessageConverter;
import org.springframework.amqp.support.converter.MessageConverter;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.modulith.events.EventExternalizationConfiguration;
import org.springframework.modulith.events.FailedEventPublications;
import org.springframework.modulith.events.ResubmissionOptions;
import org.springframework.modulith.events.RoutingTarget;
import org.springframework.modulith.events.support.EventExternalizationTransport;
import org.springframework.modulith.events.support.EventExternalizerModuleListener;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.scheduling.annotation.Scheduled;
import tools.jackson.databind.json.JsonMapper;

/**
 * The way of events to RabbitMQ, put together from Modulith's public parts as its module for AMQP
 * does it (that one is not among the dependencies: see the README), but a publication is complete
 * only when the broker has confirmed and routed the message. The thread that externalises waits for
 * that, as in Modulith's own mode with confirms.
 */
@Configuration(proxyBeanMethods = false)
@EnableScheduling
class Externalization {
  /** How long a confirm may take before the publication has failed. */
  private static final long CONFIRM_WITHIN_SECONDS = 10;

  private static final String ROUTING_KEY = "peer.recorded";

  private final FailedEventPublications failed;

  Externalization(FailedEventPublications failed) {
    this.failed = failed;
  }

  @Bean
  static EventExternalizationConfiguration routing(@Value("${peer.exchange}") String exchange) {
    return EventExternalizationConfiguration.externalizing()
        .select(EventExternalizationConfiguration.annotatedAsExternalized())
        .route(Recorded.class, event -> RoutingTarget.forTarget(exchange).andKey(ROUTING_KEY))
        .build();
  }

  @Bean
  static MessageConverter json(JsonMapper mapper) {
    return new JacksonJsonMessageConverter(mapper);
  }

  @Bean
  static EventExternalizerModuleListener externalizer(
      EventExternalizationConfiguration routing, RabbitTemplate template) {
    return new EventExternalizerModuleListener(routing, confirming(template));
  }

  private static EventExternalizationTransport confirming(RabbitTemplate template) {
    return (event, target) -> {
      var correlation = new CorrelationData();
      template.convertAndSend(target.getTarget(), target.getKey(), event, correlation);
      try {
        var confirm = correlation.getFuture().get(CONFIRM_WITHIN_SECONDS, TimeUnit.SECONDS);
        if (!confirm.ack() || correlation.getReturned() != null) {
          throw new IllegalStateException("the broker refused or could not route it: " + confirm);
        }
        return CompletableFuture.completedFuture(null);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        return CompletableFuture.failedFuture(interrupted);
      } catch (Exception error) {
        return CompletableFuture.failedFuture(error);
      }
    };
  }

  /** Modulith tries nothing again by itself: applications are told to ask for it. */
  @Scheduled(fixedDelayString = "${peer.resubmit-ms}")
  void resubmit() {
    failed.resubmit(ResubmissionOptions.defaults());
  }
}
